"""Shards of the cache into a shared one: only those with rows that it lacks, and only after the checks of `cache import`."""

import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.cache.exchange import checked_shard
from pipeline.cache.own import is_gone
from pipeline.cache.recipe import Recipe, sorted_values
from pipeline.cache.shard import ShardRows, read_rows
from pipeline.cache.shared.contents import SharedStore, look_into
from pipeline.cache.shared.layout import Check, list_path, pack_keys, recipe_path, shard_path
from pipeline.cache.shared.open import Shared
from pipeline.cache.shared.together import together
from pipeline.cache.shared.transfer import Exchange, Refused, Transfer, choose_shards, rows_of_images
from pipeline.cache.shared.trunks import send_note
from pipeline.cache.store import Keys, Store
from pipeline.cache.stores import open_stores
from pipeline.errors import DamagedStoreError, ForeignEntryError, UnreadableStoreError

logger = logging.getLogger(__name__)

_AT_A_TIME = 4
"""Shards that are read, checked and sent at a time."""

_Problem = (DamagedStoreError, ForeignEntryError)


def push(
    shared: Shared,
    cache: Path,
    digests: Sequence[bytes] | None,
    fits: Callable[[Recipe], bool],
    *,
    progress: bool = False,
) -> Exchange:
    """Copy the shards of all stores that the shared cache lacks.

    Args:
        shared: Where they are copied to.
        cache: The own cache.
        digests: SHA-256 of the images whose rows are to be shared; None: all rows.
        fits: Whether the store of a recipe is to be shared.
        progress: Show progress bars.

    Raises:
        UnwritableStoreError, UnreachableDataError: It fails, or denies access; what was copied before stays.
    """
    stores, wrong = open_stores(cache)
    transfers, refused = list[Transfer](), [Refused(name, str(error)) for name, error in wrong.items()]
    for store in stores:
        try:
            if fits(store.recipe):
                transfers.append(push_store(shared, store, digests, progress=progress))
        except (*_Problem, UnreadableStoreError) as error:
            refused.append(Refused(store.name, str(error)))
    return Exchange(shared.shown, tuple(transfers), tuple(refused))


@dataclass(frozen=True)
class _Own:
    """The shards of a store that can be sent."""

    shards: dict[str, ShardRows]
    refused: tuple[Refused, ...]


def push_store(shared: Shared, store: Store, digests: Sequence[bytes] | None, *, progress: bool = False) -> Transfer:
    """Copy the shards of a store that have rows of these images, or any for None, which the shared cache lacks.

    A shard is sent after its list, and both after the recipe: what has a name can be used, and a push that was stopped is gone on with.

    Raises:
        DamagedStoreError, ForeignEntryError: The shared store has another recipe, or a link.
        UnwritableStoreError, UnreachableDataError: The server fails, or denies access.
    """
    there = look_into(shared, store.recipe, progress=progress)
    own = _own_shards(store)
    there = _without_cut_off(there, own.shards)
    lists = {name: rows.keys for name, rows in own.shards.items()}
    wanted = rows_of_images(_joined(lists), digests)
    is_there = np.isin(wanted, there.keys)
    chosen = choose_shards(lists, wanted[~is_there])
    if chosen and not there.has_recipe:
        shared.send(recipe_path(store.name), _recipe_text(store.recipe))
    if (chosen or there.shards) and not there.has_note:
        send_note(shared, store)
    sent, refused = _send_all(shared, store, [own.shards[name] for name in chosen], progress=progress)
    keys = np.unique(_joined({name: lists[name] for name in sent}))
    return Transfer(
        store.name, int((~np.isin(keys, there.keys)).sum()), len(sent), sum(sent.values()), (*own.refused, *refused)
    )


def _joined(lists: dict[str, Keys]) -> Keys:
    return np.unique(np.concatenate([np.empty(0, "S33"), *lists.values()]))


def _own_shards(store: Store) -> _Own:
    """The rows of each shard, as it says itself: its bytes are checked before it is sent."""
    found, refused = dict[str, ShardRows](), list[Refused]()
    for path in store.shard_paths():
        try:
            found[path.name] = read_rows(path, store.recipe)
        except (*_Problem, UnreadableStoreError) as error:
            if not is_gone(path):  # merged by another process
                refused.append(Refused(shard_path(store.name, path.name), str(error)))
    return _Own(found, tuple(refused))


def _without_cut_off(there: SharedStore, own: dict[str, ShardRows]) -> SharedStore:
    """Without shards that have another size there than here: their names say that they have the same bytes, so they are damaged."""
    kept = []
    for shard in there.shards:
        mine = own.get(shard.name)
        if mine is None or shard.size in (None, mine.path.stat().st_size):
            kept.append(shard)
        else:
            logger.warning("%s has %s bytes there and another number here. It is sent again.", shard.name, shard.size)
    return replace(there, shards=kept)


def _send_all(
    shared: Shared, store: Store, shards: Sequence[ShardRows], *, progress: bool
) -> tuple[dict[str, int], list[Refused]]:
    """Send shards: the bytes of each that was sent, and those that were refused."""
    sent, refused, shape = dict[str, int](), list[Refused](), shards[0].row_shape if shards else None

    def send(shard: ShardRows, check: Check) -> int:
        data, rows = checked_shard(shard.path, store.recipe, shape)
        shared.send(list_path(store.name, shard.path.name), pack_keys(rows.keys), check)
        shared.send(shard_path(store.name, shard.path.name), data, check)
        return len(data)

    with contextlib.closing(together(send, shards, _AT_A_TIME, desc="push", progress=progress)) as ended:
        for shard, future in ended:
            try:
                sent[shard.path.name] = future.result()
            except (*_Problem, UnreadableStoreError) as error:
                refused.append(Refused(shard_path(store.name, shard.path.name), str(error)))
    return sent, refused


def _recipe_text(recipe: Recipe) -> bytes:
    return (json.dumps(sorted_values(recipe), indent=2) + "\n").encode()
