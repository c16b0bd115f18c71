"""Shards from a shared cache into the own one: only those with rows that it lacks, and only after the checks of `cache import`."""

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.cache.exchange import checked_shard
from pipeline.cache.own import MAX_BYTES
from pipeline.cache.recipe import Recipe
from pipeline.cache.shard import ShardRows, commit_shard
from pipeline.cache.shared.contents import SharedShard, SharedStore, look_into, read_shared_recipe
from pipeline.cache.shared.layout import Check, list_path, shard_path
from pipeline.cache.shared.open import Shared
from pipeline.cache.shared.together import together
from pipeline.cache.shared.transfer import Exchange, Refused, Transfer, choose_shards, rows_of_images
from pipeline.cache.store import Keys, Store
from pipeline.errors import DamagedStoreError, DataNotFoundError, ForeignEntryError, UnwritableStoreError
from pipeline.files import name_beside, remove

logger = logging.getLogger(__name__)

_AT_A_TIME = 4
"""Shards that are fetched at a time; so many lie unchecked on the disk."""

StoreProblem = (DamagedStoreError, ForeignEntryError, FileNotFoundError)
"""What is wrong with one shard or store of a shared cache, and not with its server."""


def pull(
    shared: Shared,
    cache: Path,
    digests: Sequence[bytes] | None,
    fits: Callable[[Recipe], bool],
    *,
    progress: bool = False,
) -> Exchange:
    """Copy the shards of all stores that the cache lacks.

    Args:
        shared: Where they are.
        cache: The own cache.
        digests: SHA-256 of the images whose rows are wanted; None: all rows.
        fits: Whether the store of a recipe is wanted.
        progress: Show progress bars.

    Raises:
        DataNotFoundError: No store is there.
        UnreachableDataError, UnreadableStoreError: It cannot be read; what was copied before stays.
    """
    names = shared.stores()
    if not names:
        raise DataNotFoundError(
            f"{shared.shown} has no stores, or does not exist. Fill it by: bottleneck cache push URL"
        )
    transfers, refused = list[Transfer](), list[Refused]()
    for name in names:
        try:
            recipe = read_shared_recipe(shared, name)
            if fits(recipe):
                transfers.append(_pull_store(shared, Store(cache, recipe), digests, progress=progress))
        except StoreProblem as error:
            refused.append(Refused(name, str(error)))
    return Exchange(shared.shown, tuple(transfers), tuple(refused))


def _pull_store(shared: Shared, target: Store, digests: Sequence[bytes] | None, *, progress: bool) -> Transfer:
    there = look_into(shared, target.recipe, progress=progress)
    wanted = rows_of_images(there.keys, digests)
    return fetch_rows(shared, there, target, wanted, unlisted=True, progress=progress)


def fetch_rows(
    shared: Shared, there: SharedStore, target: Store, wanted: Keys, *, unlisted: bool, progress: bool = False
) -> Transfer:
    """Copy the shards with these rows, as far as the target lacks them.

    Args:
        shared: Where the shards are.
        there: What it has.
        target: The own store.
        wanted: Rows.
        unlisted: Also copy the shards of which it is not known which rows they have.
        progress: Show a progress bar.

    Raises:
        UnreachableDataError, UnreadableStoreError: It cannot be read; what was copied before stays.
        OSError: The target cannot be written.
    """
    shards = {shard.name: shard for shard in there.shards}
    lists = {shard.name: shard.keys for shard in there.shards if shard.keys is not None}
    own = {path.name for path in target.shard_paths()}
    blind = [name for name in shards if name not in lists and name not in own]
    if blind:
        end = "they are read whole." if unlisted else "they are passed over; `cache pull` takes them."
        logger.warning(
            "%d shards of %s at %s have no list of their rows: %s", len(blind), target.name, shared.shown, end
        )
    done = Transfer(target.name, 0, 0, 0)
    todo = blind if unlisted else []
    while chosen := [*choose_shards(lists, wanted[~target.has(wanted)]), *todo]:
        part = _receive_all(shared, [shards[name] for name in chosen], target, progress=progress)
        done = done.plus(part)
        if not part.refused:
            break
        # Another shard may have the rows of one that was refused.
        todo, lists = [], {name: keys for name, keys in lists.items() if name not in chosen}
    return done


def _receive_all(shared: Shared, shards: Sequence[SharedShard], target: Store, *, progress: bool) -> Transfer:
    refused, num_bytes, num_shards, before = list[Refused](), 0, 0, len(target)
    folder, shape = target.prepare(), target.row_shape
    with _incoming(target.folder.parent) as incoming:
        receive = partial(_receive, shared, target.name, incoming)
        with contextlib.closing(together(receive, shards, _AT_A_TIME, desc="pull", progress=progress)) as received:
            for shard, future in received:
                try:
                    data, rows = _checked(future.result(), shard, target.recipe, shape)
                except StoreProblem as error:
                    refused.append(Refused(shard_path(target.name, shard.name), _in_url(str(error), incoming, shared)))
                    continue
                finally:
                    (incoming / shard.name).unlink(missing_ok=True)
                shape = rows.row_shape
                commit_shard(folder, data)
                num_shards, num_bytes = num_shards + 1, num_bytes + len(data)
    target.refresh()
    return Transfer(target.name, len(target) - before, num_shards, num_bytes, tuple(refused))


def _receive(shared: Shared, store: str, incoming: Path, shard: SharedShard, check: Check) -> Path:
    """A shard as a file of this machine."""
    if shard.size is not None and shard.size > MAX_BYTES:
        raise DamagedStoreError(f"{shard.name} has {shard.size:,} bytes, and at most {MAX_BYTES:,} are expected.")
    if shard.size is not None and shard.size > shutil.disk_usage(incoming).free:
        raise UnwritableStoreError(
            f"{shard.name} has {shard.size:,} bytes, and {incoming.parent} has no room for them."
        )
    return shared.receive(
        shard_path(store, shard.name), incoming, MAX_BYTES if shard.size is None else shard.size, check
    )


def _checked(path: Path, shard: SharedShard, recipe: Recipe, shape: tuple[int, ...] | None) -> tuple[bytes, ShardRows]:
    """The bytes of a shard in which nothing is wrong, and which has the rows that its list says."""
    data, rows = checked_shard(path, recipe, shape)
    if shard.keys is not None and not np.array_equal(rows.keys, shard.keys):
        raise DamagedStoreError(
            f"{list_path(recipe.folder_name, shard.name)} is not the list of the rows of its shard."
        )
    return data, rows


def _in_url(text: str, incoming: Path, shared: Shared) -> str:
    """A message about a file that was fetched, about the shared cache."""
    return text.replace(str(incoming), shared.shown.rstrip("/"))


@contextlib.contextmanager
def _incoming(cache: Path) -> Iterator[Path]:
    """A hidden folder of the cache for what is not checked yet. If this process is killed, the next one removes it."""
    folder = name_beside(cache / "incoming")
    try:
        folder.mkdir()
        yield folder
    finally:
        remove(folder)
