"""Shards from a shared cache into the own one: only those with rows that it lacks, and only after the checks of `cache import`."""

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.cache.exchange import checked_shard
from pipeline.cache.own import MAX_BYTES
from pipeline.cache.recipe import Recipe
from pipeline.cache.shard import ShardRows, commit_shard
from pipeline.cache.shared.contents import SharedShard, SharedStore, look_into, read_shared_recipe
from pipeline.cache.shared.layout import Check, list_path, note_path, recipe_path, shard_path
from pipeline.cache.shared.open import Shared
from pipeline.cache.shared.shapes import Shape, ShapeVote
from pipeline.cache.shared.together import together
from pipeline.cache.shared.transfer import Exchange, Refused, Transfer, choose_shards, rows_of_images
from pipeline.cache.shared.trunks import receive_note
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
    shape: Callable[[Recipe], Shape | None] | None = None,
    *,
    progress: bool = False,
) -> Exchange:
    """Copy the shards of all stores that the cache lacks.

    Args:
        shared: Where they are.
        cache: The own cache.
        digests: SHA-256 of the images whose rows are wanted; None: all rows.
        fits: Whether the store of a recipe is wanted.
        shape: The shape of a recipe's rows, where it is known from elsewhere.
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
                known = shape(recipe) if shape else None
                transfers.append(_pull_store(shared, Store(cache, recipe), digests, known, progress=progress))
        except StoreProblem as error:
            if _is_store(shared, name):
                refused.append(Refused(name, str(error)))
    return Exchange(shared.shown, tuple(transfers), tuple(refused))


def _is_store(shared: Shared, name: str) -> bool:
    """Whether there is a recipe or a shard; other projects under the same URL have names like those of stores, too."""
    try:
        files = shared.list(name)
    except StoreProblem:
        return True
    return recipe_path(name) in files or any(path.startswith(shard_path(name, "")) for path in files)


def _pull_store(
    shared: Shared, target: Store, digests: Sequence[bytes] | None, shape: Shape | None, *, progress: bool
) -> Transfer:
    there = look_into(shared, target.recipe, progress=progress)
    wanted = rows_of_images(there.keys, digests)
    return fetch_rows(shared, there, target, wanted, shape, unlisted=True, progress=progress)


def fetch_rows(
    shared: Shared,
    there: SharedStore,
    target: Store,
    wanted: Keys,
    shape: Shape | None = None,
    *,
    unlisted: bool,
    progress: bool = False,
) -> Transfer:
    """Copy the shards with these rows, as far as the target lacks them.

    Args:
        shared: Where the shards are.
        there: What it has.
        target: The own store.
        wanted: Rows.
        shape: Of a row, where it is known from elsewhere. Otherwise it is that of the rows here, or of most rows there.
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
        part = _receive_all(shared, [shards[name] for name in chosen], target, shape, progress=progress)
        done = done.plus(part)
        if not part.refused:
            break
        # Another shard may have the rows of one that was refused.
        todo, lists = [], {name: keys for name, keys in lists.items() if name not in chosen}
    return done.plus(_receive_note(shared, there, target))


def _receive_note(shared: Shared, there: SharedStore, target: Store) -> Transfer:
    """Fetch the note of the weights that the rows are of; a store without rows gets none."""
    try:
        if there.has_note and target.shard_paths():
            receive_note(shared, target)
    except StoreProblem as error:
        return Transfer(target.name, 0, 0, 0, (Refused(note_path(target.name), str(error)),))
    return Transfer(target.name, 0, 0, 0)


def _receive_all(
    shared: Shared, shards: Sequence[SharedShard], target: Store, shape: Shape | None, *, progress: bool
) -> Transfer:
    before, folder = len(target), target.prepare()
    with _incoming(target.folder.parent) as incoming:
        arrivals = _Arrivals(shared, target, shards, shape, folder, incoming)
        receive = partial(_receive, shared, target.name, incoming)
        with contextlib.closing(together(receive, shards, _AT_A_TIME, desc="pull", progress=progress)) as received:
            for shard, future in received:
                arrivals.take(shard, future)
        arrivals.end()
    target.refresh()
    refused = tuple(arrivals.refused)
    return Transfer(target.name, len(target) - before, arrivals.num_shards, arrivals.num_bytes, refused)


class _Arrivals:
    """Shards that were fetched: they are checked, and kept or refused. Until the shape of a row is known, they wait."""

    def __init__(
        self,
        shared: Shared,
        target: Store,
        shards: Sequence[SharedShard],
        shape: Shape | None,
        folder: Path,
        incoming: Path,
    ) -> None:
        self.refused = list[Refused]()
        self.num_shards = self.num_bytes = 0
        self._shared, self._target, self._folder, self._incoming = shared, target, folder, incoming
        self._own = target.row_shape
        self._shape = self._own or shape
        self._vote = ShapeVote(target.recipe, shards)
        self._waiting = list[tuple[SharedShard, Path]]()

    def take(self, shard: SharedShard, fetched: Future[Path]) -> None:
        """Keep or refuse a shard, or let it wait."""
        with self._refusing(shard):
            path = fetched.result()
            data, rows = self._checked(path, shard)
            if self._shape is not None:
                self._keep(data)
                return
            self._waiting.append((shard, path))
            self._shape = self._vote.add(rows.row_shape, len(rows))
            if self._shape is not None:
                self._keep_waiting()

    def end(self) -> None:
        """No more shards come."""
        if self._shape is None:
            self._shape = self._vote.end()
        self._keep_waiting()

    def _keep_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for shard, path in waiting:
            with self._refusing(shard):
                if self._shape is None:
                    raise DamagedStoreError(
                        f"{path}: shards of this store have rows of several shapes, and it is not known which is right. Remove the wrong ones there, "
                        "or give a manifest file as DATA, written where the rows were computed."
                    )
                self._keep(self._checked(path, shard)[0])

    def _keep(self, data: bytes) -> None:
        commit_shard(self._folder, data)
        self.num_shards, self.num_bytes = self.num_shards + 1, self.num_bytes + len(data)

    @contextlib.contextmanager
    def _refusing(self, shard: SharedShard) -> Iterator[None]:
        """Name a shard if something is wrong with it; what was fetched of it is removed, unless it waits."""
        try:
            yield
        except StoreProblem as error:
            text = str(error).replace(str(self._incoming), self._shared.shown.rstrip("/"))
            self.refused.append(Refused(shard_path(self._target.name, shard.name), text))
        finally:
            if all(shard is not other for other, _ in self._waiting):
                (self._incoming / shard.name).unlink(missing_ok=True)

    def _checked(self, path: Path, shard: SharedShard) -> tuple[bytes, ShardRows]:
        """The bytes of a shard in which nothing is wrong, and which has the rows that its list says."""
        recipe = self._target.recipe
        data, rows = checked_shard(path, recipe, None)
        if self._shape not in (None, rows.row_shape):
            cure = (
                f" If those are wrong: bottleneck cache prune {recipe.folder_name}, and pull again."
                if self._own
                else ""
            )
            raise DamagedStoreError(
                f"{path} has rows of shape {rows.row_shape}; those of {recipe.folder_name} have {self._shape}.{cure}"
            )
        if shard.keys is not None and not np.array_equal(rows.keys, shard.keys):
            raise DamagedStoreError(
                f"{list_path(recipe.folder_name, shard.name)} is not the list of the rows of its shard."
            )
        return data, rows


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


@contextlib.contextmanager
def _incoming(cache: Path) -> Iterator[Path]:
    """A hidden folder of the cache for what is not checked yet. If this process is killed, the next one removes it."""
    folder = name_beside(cache / "incoming")
    try:
        folder.mkdir()
        yield folder
    finally:
        remove(folder)
