"""Rows that someone has already computed: fetched from the shared cache instead of computed, and new ones offered to it."""

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pipeline.cache.inventory import Inventory
from pipeline.cache.recipe import Recipe
from pipeline.cache.scratch import naming_store
from pipeline.cache.shared.contents import SharedStore, look_into
from pipeline.cache.shared.open import Shared, open_shared
from pipeline.cache.shared.pull import fetch_rows
from pipeline.cache.shared.push import push_store
from pipeline.cache.store import Keys, Store, split_keys
from pipeline.errors import DamagedStoreError, ForeignEntryError, PipelineError, UnreachableDataError
from pipeline.settings import Paths

logger = logging.getLogger(__name__)

_NUM_NAMED = 5

RowShape = Callable[[Recipe], tuple[int, ...] | None]


def fetch_shared(
    inventory: Inventory, paths: Paths, shape: RowShape = lambda _: None, *, progress: bool = False
) -> tuple[Inventory, int]:
    """Fetch the missing rows that the shared cache has; without a missing row it is not asked.

    Args:
        inventory: The rows that are wanted.
        paths: The own cache, and the shared one, if there is one.
        shape: The shape of a recipe's rows, where it is known from elsewhere.
        progress: Show progress bars.

    Returns:
        The inventory, or that of the alternative if the shared cache has all of its rows and not those of the first; and how many rows
        were fetched.

    Raises:
        UnreachableDataError, UnreadableStoreError: The shared cache cannot be listed.
    """
    if paths.shared is None or inventory.is_complete:
        return inventory, 0
    shared = open_shared(paths.shared, paths.cache)
    try:
        return _fetch_or_other(shared, inventory, shape, progress=progress)
    except UnreachableDataError as error:
        raise UnreachableDataError(f"{error} Without --shared, missing rows are computed.") from error


def _fetch_or_other(shared: Shared, inventory: Inventory, shape: RowShape, *, progress: bool) -> tuple[Inventory, int]:
    first = _look(shared, inventory.store.recipe)
    other = inventory.alternative
    if other is not None and not _has_all(first, inventory.missing):
        there = _look(shared, other.store.recipe)
        if _has_all(there, other.missing):
            count = _fetch(shared, there, other, shape, progress=progress)
            if other.is_complete:
                return replace(other, alternative=inventory), count
    if not first.shards:
        _mention_others(shared, first)
    return inventory, _fetch(shared, first, inventory, shape, progress=progress)


def _mention_others(shared: Shared, there: SharedStore) -> None:
    """Warn that a store is not there, and name those that are; one that was refused has been named."""
    name, others = there.recipe.folder_name, shared.stores()
    if name in others and there.has_recipe:
        logger.warning("%s at %s has no shards: a push was stopped, or is not ready.", name, shared.shown)
    if name in others:
        return
    more = f" and {len(others) - _NUM_NAMED} more" if len(others) > _NUM_NAMED else ""
    listed = f". It has {', '.join(others[:_NUM_NAMED])}{more}; options such as --base and --size choose one."
    logger.warning("%s has no rows of %s%s", shared.shown, name, listed if others else ", or does not exist.")


def count_shared(recipe: Recipe, keys: Keys, paths: Paths) -> int:
    """How many of these rows the shared cache says to have; 0 without one."""
    if paths.shared is None or not len(keys):
        return 0
    return int(np.isin(keys, _look(open_shared(paths.shared, paths.cache), recipe).keys).sum())


def offer_shared(store: Store, keys: Keys, paths: Paths, *, progress: bool = False) -> int:
    """Offer the shards with these rows to the shared cache; how many rows it has got. A failure is only a warning: nothing is lost.

    Args:
        store: The rows are in it.
        keys: Rows of the data set.
        paths: The shared cache, and whether rows are offered.
        progress: Show a progress bar.
    """
    if not paths.share or paths.shared is None:
        return 0
    try:
        shared = open_shared(paths.shared, paths.cache)
        digests = [digest.tobytes() for digest in split_keys(np.unique(keys))[0]]
        done = push_store(shared, store, digests, progress=progress)
    except (PipelineError, OSError) as error:
        logger.warning("%s The rows are in the cache, and were not shared. Later: bottleneck cache push URL", error)
        return 0
    for entry in done.refused:
        logger.warning("%s was not shared: %s", entry.path, entry.reason)
    logger.info("%s: %d rows were shared with %s.", store.name, done.rows, shared.shown)
    return done.rows


def _look(shared: Shared, recipe: Recipe) -> SharedStore:
    """What the shared cache has of a recipe; nothing, with a warning, if something is wrong with its store."""
    try:
        return look_into(shared, recipe)
    except (DamagedStoreError, ForeignEntryError) as error:
        logger.warning("%s Its rows are not used.", error)
        return SharedStore(recipe, ())


def _has_all(there: SharedStore, keys: Keys) -> bool:
    return bool(np.isin(keys, there.keys).all())


def _fetch(shared: Shared, there: SharedStore, inventory: Inventory, shape: RowShape, *, progress: bool) -> int:
    """Fetch rows; what goes wrong with some is a warning, and they are made in another way."""
    store, before = inventory.store, np.unique(inventory.missing)
    with naming_store(store), store.adding(inventory.keys):
        try:
            known = shape(store.recipe)
            done = fetch_rows(shared, there, store, inventory.missing, known, unlisted=False, progress=progress)
        except UnreachableDataError as error:
            logger.warning("%s The other rows are not fetched.", error)
        else:
            for entry in done.refused:
                logger.warning("%s of %s is refused: %s", entry.path, shared.shown, entry.reason)
    count = int(store.has(before).sum())
    if count:
        logger.info("%s: %d rows were fetched from %s.", store.name, count, shared.shown)
    return count
