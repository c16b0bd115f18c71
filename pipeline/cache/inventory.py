"""Which of the wanted rows are there, and which other stores can have those that are missing.

Other stores are told by their recipes alone: none of their shards is opened before a row of it is looked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.cache.recipe import Recipe
from pipeline.cache.scratch import store_that_takes_rows
from pipeline.cache.store import Keys, Store
from pipeline.cache.stores import list_stores
from pipeline.images.decoding.decoder import Decoder


@dataclass(frozen=True)
class Inventory:
    """The rows that are wanted, their store, and the stores that can have those it lacks."""

    keys: Keys
    """The rows that are wanted."""

    store: Store
    """Has them, or takes those that are missing."""

    version_1: Store | None = None
    """The store of the same recipe with decoder 1, which versions 0.1 and 0.2 used; None if there is none."""

    other_decoders: Sequence[Store] = ()
    """Stores whose recipe differs only in the decoder."""

    other_cuts: Sequence[Store] = ()
    """Stores of whole grids whose recipe differs only in the cut, so that it may be an earlier one."""

    alternative: "Inventory | None" = None
    """The same rows by another recipe that serves as well."""

    @property
    def missing(self) -> Keys:
        """The wanted rows that the store lacks now."""
        return self.keys[~self.store.has(self.keys)]

    @property
    def is_complete(self) -> bool:
        """Whether the store has all rows that are wanted."""
        return bool(self.store.has(self.keys).all())


def take_inventory(
    keys: Keys,
    cache: Path,
    recipe: Recipe,
    alternative: Recipe | None = None,
    *,
    keep: bool = True,
    few: int = 0,
    opened: Store | None = None,
) -> Inventory:
    """Look for rows in the store of a recipe, and where it lacks some, for the stores that can have them.

    Args:
        keys: The rows that are wanted.
        cache: Folder of the stores.
        recipe: Of the rows.
        alternative: Another recipe that serves as well. Its store is used if it has all rows and that of the first one has not.
        keep: New rows have to be stored. Without it, a store that lacks rows and cannot be written is replaced by a temporary one
            that has its rows.
        opened: The store of the recipe, if it is open; it is asked first.
        few: If no more rows than this are missing, other stores are not worth a look, except that of decoder 1.

    Raises:
        UnreadableStoreError: The cache folder or a shard cannot be read.
    """
    store = Store(cache, recipe)
    is_open = opened is not None and _is_of(opened, store)
    wanted = Inventory(keys, opened if opened is not None and is_open else store)
    if wanted.is_complete:
        return wanted
    other = Inventory(keys, Store(cache, alternative)) if alternative else None
    if other and other.is_complete:
        return other
    usable = wanted.store if keep else store_that_takes_rows(wanted.store)
    if usable is wanted.store:
        wanted = replace(_with_version_1(wanted), alternative=other and _with_version_1(other))
    else:
        wanted = replace(wanted, store=usable)
    if len(wanted.missing) <= few:
        return wanted
    near = _stores_beside(wanted, cache)
    return replace(
        wanted,
        other_decoders=[store for store in near if _is_same(replace(store.recipe, decoder=recipe.decoder), recipe)],
        other_cuts=[store for store in near if store.recipe.has_whole_grids and _differs_in_cut(store.recipe, recipe)],
    )


def _is_of(opened: Store, store: Store) -> bool:
    """Whether an open store is this one; two recipes are equal whatever limit of pixels they have."""
    limits = (each.recipe.decoder.max_pixels for each in (opened, store))
    return (opened.folder, opened.recipe) == (store.folder, store.recipe) and len(set(limits)) == 1


def _with_version_1(wanted: Inventory) -> Inventory:
    """The same with the store of decoder 1, if there is one and the recipe's own decoder can have the same pixels."""
    recipe, decoder = wanted.store.recipe, wanted.store.recipe.decoder
    if decoder.version == 1 or decoder.fit != "stretch":
        return wanted
    old = Decoder(decoder.size_px, decoder.resize, decoder.exif, background="drop", version=1)
    store = Store(wanted.store.folder.parent, replace(recipe, decoder=old))
    return replace(wanted, version_1=store) if store.folder.is_dir() else wanted


def _stores_beside(wanted: Inventory, cache: Path) -> list[Store]:
    """All other stores of the same base and size."""
    recipe, opened = wanted.store.recipe, wanted.version_1
    prefix = f"{recipe.base}-{recipe.decoder.size_px}px-"
    near = [store for store in list_stores(cache) if store.name.startswith(prefix) and store.name != wanted.store.name]
    return [opened if opened and opened.name == store.name else store for store in near]


def _differs_in_cut(other: Recipe, recipe: Recipe) -> bool:
    """Whether a recipe has another cut and no other difference but the pooling and the number format of the stored rows."""
    at_this_cut = replace(
        other, cut=recipe.cut, trunk_digest=recipe.trunk_digest, pooling=recipe.pooling, dtype=recipe.dtype
    )
    return other.cut != recipe.cut and _is_same(at_this_cut, recipe)


def _is_same(first: Recipe, second: Recipe) -> bool:
    return first.fingerprint == second.fingerprint
