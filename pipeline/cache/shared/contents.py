"""What a shared store has: its recipe, its shards, and which rows are in which of them."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.cache.recipe import MAX_RECIPE_BYTES, Recipe, parse_recipe
from pipeline.cache.shared.layout import (
    KEY_BYTES,
    MAX_LIST_BYTES,
    MAX_LISTS_BYTES,
    SHARD_NAME,
    Check,
    list_path,
    note_path,
    recipe_path,
    shard_path,
    unpack_keys,
)
from pipeline.cache.shared.open import Shared
from pipeline.cache.shared.together import together
from pipeline.cache.store import Keys
from pipeline.errors import DamagedStoreError, ForeignEntryError

logger = logging.getLogger(__name__)

_READERS = 16
"""Lists that are read at a time."""


@dataclass(frozen=True)
class SharedShard:
    """A shard of a shared store."""

    name: str
    size: int | None
    """Bytes; None: the server does not say."""

    keys: Keys | None
    """Its rows, as the list beside it says; None: there is no list."""


@dataclass(frozen=True)
class SharedStore:
    """A shared store."""

    recipe: Recipe
    shards: Sequence[SharedShard]
    has_recipe: bool = False
    has_note: bool = False

    @property
    def keys(self) -> Keys:
        """All rows that are listed, sorted."""
        return np.unique(np.concatenate([np.empty(0, f"S{KEY_BYTES}"), *_known(self.shards)]))


def _known(shards: Iterable[SharedShard]) -> Iterator[Keys]:
    return (shard.keys for shard in shards if shard.keys is not None)


def read_shared_recipe(shared: Shared, store: str) -> Recipe:
    """The recipe of a shared store.

    Raises:
        FileNotFoundError: It has none.
        DamagedStoreError: It is not a recipe, or that of another store.
    """
    where = f"{shared.shown.rstrip('/')}/{store}"
    recipe = parse_recipe(shared.read(recipe_path(store), MAX_RECIPE_BYTES), where)
    if recipe.folder_name != store:
        raise DamagedStoreError(f"{where} holds the recipe of {recipe.folder_name}. Remove it there.")
    return recipe


def look_into(shared: Shared, recipe: Recipe, *, progress: bool = False) -> SharedStore:
    """The shards of a store, with the lists of their rows; none if it is not there.

    Raises:
        DamagedStoreError: It has another recipe, or a list or a shard is larger than any.
    """
    store = recipe.folder_name
    files = shared.list(store)
    if not files:
        return SharedStore(recipe, ())
    has_recipe = recipe_path(store) in files
    if has_recipe:
        _check_fingerprint(shared, recipe)
    names = sorted(name for path in files if (name := path.rpartition("/")[2]) and path == shard_path(store, name))
    names = [name for name in names if SHARD_NAME.fullmatch(name)]
    lists = _read_lists(shared, store, [name for name in names if list_path(store, name) in files], progress=progress)
    shards = [SharedShard(name, files[shard_path(store, name)], lists.get(name)) for name in names]
    return SharedStore(recipe, shards, has_recipe, note_path(store) in files)


def _check_fingerprint(shared: Shared, recipe: Recipe) -> None:
    found = read_shared_recipe(shared, recipe.folder_name).fingerprint
    if found != recipe.fingerprint:
        raise DamagedStoreError(
            f"{shared.shown.rstrip('/')}/{recipe.folder_name} has the fingerprint {found}; expected {recipe.fingerprint}."
        )


def _read_lists(shared: Shared, store: str, names: Sequence[str], *, progress: bool) -> dict[str, Keys]:
    lists, num_bytes = dict[str, Keys](), 0

    def read(name: str, _: Check) -> bytes:
        return shared.read(list_path(store, name), MAX_LIST_BYTES)

    for name, future in together(read, names, _READERS, desc="lists", progress=progress):
        path = list_path(store, name)
        try:
            lists[name] = unpack_keys(future.result(), path)
        except (FileNotFoundError, DamagedStoreError, ForeignEntryError) as error:
            logger.warning("%s The shard counts as one without a list of its rows.", error)
            continue
        num_bytes += len(lists[name]) * KEY_BYTES
        if num_bytes > MAX_LISTS_BYTES:
            raise DamagedStoreError(f"{shared.shown}: the lists of {store} have more than {MAX_LISTS_BYTES:,} bytes.")
    return lists
