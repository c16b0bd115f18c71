"""The store: the rows of one recipe, found by (image SHA-256, view).

There is no separate list of shards that could get out of step: the index is read from the shards themselves.
"""

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.one_shape import check_one_shape
from pipeline.cache.own import check_lock, check_no_links, check_store_folder, is_gone, list_folder
from pipeline.cache.pooling import pool_rows, to_float32
from pipeline.cache.recipe import POOLINGS, Recipe, mend_recipe, read_recipe
from pipeline.cache.shard import ShardRows, build_shard, check_bytes, commit_shard, read_rows, visit_features
from pipeline.errors import (
    DamagedStoreError,
    ForeignEntryError,
    MissingRowsError,
    PipelineError,
    SettingError,
    UnreadableStoreError,
)
from pipeline.files import remove_debris
from pipeline.images.files.hash_table import Stamp
from pipeline.images.files.hashing import file_stamp

logger = logging.getLogger(__name__)

Keys = NDArray[np.bytes_]
"""Row keys, dtype S33: 32 bytes of SHA-256 and one of the view number."""


def row_keys(digests: Sequence[bytes], view: int = 0) -> Keys:
    """The keys of one view of these images, shape (N,)."""
    # S33 drops trailing zero bytes when an element becomes Python bytes, but compares and sorts
    # fixed-width, so keys that differ stay different.
    joined = b"".join(digest + bytes([view]) for digest in digests)
    return np.frombuffer(joined, dtype="S33") if joined else np.empty(0, "S33")


def view_keys(digests: Sequence[bytes], views: Sequence[int]) -> Keys:
    """The keys of several views of the images, view after view."""
    return np.concatenate([row_keys(digests, view) for view in views])


def split_keys(keys: Keys) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Digests, uint8 (N, 32), and view numbers, uint8 (N,), of row keys."""
    raw = np.frombuffer(np.ascontiguousarray(keys).tobytes(), np.uint8).reshape(len(keys), 33)
    return raw[:, :32], raw[:, 32]


def pack_rows(recipe: Recipe, keys: Keys, features: NDArray[np.floating], provenance: Mapping[str, str]) -> bytes:
    """The bytes of a shard of these rows; see `build_shard`."""
    return build_shard(recipe, *split_keys(keys), features, provenance)


@dataclass(frozen=True)
class _Index:
    """Sorted keys, and the shard and row of each."""

    keys: Keys
    shard: NDArray[np.int32]
    row: NDArray[np.int32]
    shards: tuple[ShardRows, ...]

    @classmethod
    def build(cls, shards: Sequence[ShardRows]) -> "_Index":
        parts = [shard.keys for shard in shards]
        keys = np.concatenate(parts) if parts else np.empty(0, "S33")
        shard = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
        row = (
            np.concatenate([np.arange(len(part), dtype=np.int32) for part in parts]) if parts else np.empty(0, np.int32)
        )
        # Stable, and the first of equal keys is kept: a row that two writers made is always read from the same shard.
        keys, first = np.unique(keys, return_index=True)
        return cls(keys, shard[first], row[first], tuple(shards))

    def find(self, keys: Keys) -> NDArray[np.int64]:
        """Position of each key in the index, -1 where it is not."""
        if not len(self.keys):
            return np.full(len(keys), -1)
        position = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[position] == keys, position, -1)


class Store:
    """The rows of one recipe, below a cache folder.

    Opening checks every shard's bytes against its name. A damaged shard is moved to `quarantine/` with a
    warning, and its rows count as missing, so that stage one computes them again; a damaged recipe.json
    beside good shards is written anew. In a cache that is read-only both stay. A shard that cannot be
    read is an error, and nothing is moved. A shard that is a symbolic link is skipped with a warning; a
    store whose own folders are links is refused.
    """

    def __init__(self, cache: Path, recipe: Recipe) -> None:
        self.recipe = recipe
        self.folder = cache / recipe.folder_name
        self._shards: list[ShardRows] | None = None
        self._cached_index: _Index | None = None
        self._checked: dict[Path, Stamp | None] = {}
        self._passed_over: set[Path] = set()

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """The store in a folder with a recipe.json.

        Raises:
            DamagedStoreError: recipe.json is missing or damaged, or does not fit the folder's name.
            ForeignEntryError: The folder, or a folder or file of fixed name in it, is a symbolic link.
            UnreadableStoreError: recipe.json cannot be read.
        """
        check_store_folder(folder)
        recipe = read_recipe(folder)
        if recipe.folder_name != folder.name:
            raise DamagedStoreError(
                f"{folder} holds the recipe of {recipe.folder_name}. Give it that name, or remove it."
            )
        return cls(folder.parent, recipe)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    def __len__(self) -> int:
        return len(self._index.keys)

    @property
    def row_shape(self) -> tuple[int, ...] | None:
        """Shape of one stored row: (h, w, C) or (C,); None in an empty store."""
        return self.shards[0].row_shape if self.shards else None

    def keys(self) -> Keys:
        """All keys, sorted."""
        return self._index.keys

    def shard_paths(self) -> list[Path]:
        """The shards' files, by name; raises the errors of `check_store_folder` and `list_folder`."""
        check_store_folder(self.folder)
        return list_folder(self.folder / "shards", ".h5")

    def has(self, keys: Keys) -> NDArray[np.bool_]:
        """Which of these rows the store holds, shape (N,)."""
        return self._index.find(keys) >= 0

    def shard_of(self, keys: Keys) -> NDArray[np.int32]:
        """Position of each row's shard among the sorted shard names, shape (N,); the same in every process.

        Raises:
            MissingRowsError: A row is not in the store.
        """
        names = [shard.path.name for shard in self._index.shards]
        position = np.argsort(np.argsort(names)).astype(np.int32)
        return position[self._index.shard[self._find_all(keys)]]

    def append(self, keys: Keys, features: NDArray[np.floating], provenance: Mapping[str, str]) -> Path:
        """Commit rows as one shard; when this returns, they survive a crash.

        Args:
            keys: Shape (n,).
            features: float32 of shape (n, h, w, C) or (n, C).
            provenance: How they were made.

        Raises:
            OSError: The disk is full or fails; nothing is left behind.
            OverflowError: A value does not fit the stored dtype.
            DamagedStoreError: The store has rows of another shape.
        """
        check_one_shape(self.name, (self.row_shape, features.shape[1:]))
        known, data = self.shards, pack_rows(self.recipe, keys, features, provenance)
        path = commit_shard(self.prepare(), data)
        digests, views = split_keys(keys)
        known.append(ShardRows(path, digests, views, tuple(features.shape[1:])))
        self._cached_index = None
        return path

    def add_shard(self, data: bytes) -> None:
        """Commit a shard that a worker has built; call `refresh` to see its rows."""
        commit_shard(self.prepare(), data)

    @contextlib.contextmanager
    def adding(self, keys: Keys | None = None) -> Iterator[None]:
        """Hold the store's lock: no two processes of this machine compute the same rows.

        Another process waits, and sees the new rows when it goes on. The lock of a dead process is free. Nothing else depends on
        the lock: shards are committed whole in any case, so a file system without locks works too.

        Args:
            keys: Rows that are wanted; if all of them are there, nothing is locked.
        """
        if keys is not None and self.has(keys).all():
            yield
            return
        from filelock import FileLock, Timeout

        check_store_folder(self.folder)
        check_lock(self.folder / ".lock")
        lock = FileLock(self.folder / ".lock")
        try:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                lock.acquire(blocking=False)
            except Timeout:
                logger.warning("Another process is adding rows to %s; waiting for it to finish.", self.name)
                lock.acquire(poll_interval=0.2)
            except (NotImplementedError, OSError) as error:
                logger.info("No lock on %s: %s", self.folder, error)
            self.refresh()
            yield
        finally:
            with contextlib.suppress(OSError):  # the lock ends with the process
                lock.release()

    def refresh(self) -> None:
        """See the shards that other processes have added, merged or removed since this store was opened."""
        known = self.shards
        found = self._look(known)
        if [shard.path for shard in found] != [shard.path for shard in known]:
            self._shards, self._cached_index = found, None

    def _look(self, shards: Sequence[ShardRows]) -> list[ShardRows]:
        """Those of these shards that still exist, and all new ones; damaged ones are set aside."""
        known = {shard.path: shard for shard in shards}
        while True:
            listed = dict.fromkeys(self.shard_paths())
            new = {shard.path: shard for shard in self._good_shards(path for path in listed if path not in known)}
            known = {path: shard for path, shard in (known | new).items() if path in listed}
            if listed.keys() <= set(self.shard_paths()):
                return list(known.values())
            # Shards that disappeared meanwhile may have been merged into shards that were not listed yet.

    def read(self, keys: Keys, *, pooling: str = "none") -> NDArray[np.float32]:
        """Rows in the order of the keys, as float32.

        Args:
            keys: Shape (N,); a key may occur more than once.
            pooling: `avg` or `max` over the grid of spatial rows, (h, w, C) to (C,), while reading.

        Raises:
            MissingRowsError: A row is not in the store.
            DamagedStoreError: A checksum is wrong, or the shards hold rows of different shapes.
            UnreadableStoreError: A shard cannot be read.
            SettingError: The pooling is unknown.
        """
        if pooling not in POOLINGS:
            raise SettingError(f"The pooling is one of {POOLINGS}. Received: {pooling!r}.")
        while True:
            try:
                return self._read(keys, pooling)
            except (DamagedStoreError, UnreadableStoreError):
                if not self._lost_shards(keys):
                    raise

    def _lost_shards(self, keys: Keys) -> bool:
        """Whether shards of these rows are gone, merged by another process or removed; if so, look at the folder again."""
        index = self._index
        numbers = np.unique(index.shard[index.find(keys)])
        if not any(is_gone(index.shards[number].path) for number in numbers):
            return False
        self.refresh()
        return True

    def _read(self, keys: Keys, pooling: str) -> NDArray[np.float32]:
        found, index = self._find_all(keys), self._index
        shard, row = index.shard[found], index.row[found]
        numbers = np.unique(shard)
        shapes = [index.shards[number].row_shape for number in numbers]
        check_one_shape(self.name, shapes)
        shape = shapes[0] if shapes else self.row_shape or ()
        out = np.empty((len(keys), *(shape if pooling == "none" else shape[-1:])), np.float32)
        for number in numbers:
            wanted = np.flatnonzero(shard == number)
            wanted = wanted[np.argsort(row[wanted], kind="stable")]
            self._read_shard(index.shards[number].path, row[wanted], wanted, pooling, out)
        return out

    def _read_shard(
        self,
        path: Path,
        rows: NDArray[np.int32],
        positions: NDArray[np.int64],
        pooling: str,
        out: NDArray[np.float32],
    ) -> None:
        """Copy rows of a shard, in ascending order, to these positions of `out`; each part is pooled as soon as it is unpacked."""

        def put(first: int, part: NDArray[np.floating]) -> None:
            start, end = np.searchsorted(rows, (first, first + len(part)))
            if start < end:
                out[positions[start:end]] = pool_rows(to_float32(part[rows[start:end] - first]), pooling)

        stamp = file_stamp(path)
        if stamp is None or self._checked.get(path) != stamp:
            self._checked[path] = check_bytes(path)
        visit_features(path, self.recipe, put)

    def _find_all(self, keys: Keys) -> NDArray[np.int64]:
        found = self._index.find(keys)
        if (found < 0).any():
            raise MissingRowsError(
                f"{int((found < 0).sum())} of {len(keys)} rows are not in {self.name}. Run `bottleneck features` first."
            )
        return found

    @property
    def shards(self) -> list[ShardRows]:
        """The keys of each good shard, as of the last look at the folder."""
        if self._shards is None:
            self._remove_debris()
            self._shards = self._look([])
            if self._shards:
                self._mend_recipe()
        return self._shards

    @property
    def _index(self) -> _Index:
        index = self._cached_index
        if index is None:
            index = self._cached_index = _Index.build(self.shards)
        return index

    def _good_shards(self, paths: Iterable[Path]) -> Iterator[ShardRows]:
        for path in paths:
            try:
                self._checked[path] = check_bytes(path)
                yield read_rows(path, self.recipe)
            except ForeignEntryError as error:
                if path not in self._passed_over:
                    self._passed_over.add(path)
                    logger.warning("%s Its rows are skipped.", error)
            except (DamagedStoreError, UnreadableStoreError) as error:
                if is_gone(path):
                    continue  # merged or removed by another process, not damaged
                if not isinstance(error, DamagedStoreError):
                    raise
                self._set_aside(path, error)

    def _set_aside(self, path: Path, damage: DamagedStoreError) -> None:
        """Move a damaged shard to `quarantine/`; where nothing can be moved, its rows are skipped all the same."""
        try:
            self.quarantine(path)
        except PipelineError:
            raise
        except OSError as error:
            if path not in self._passed_over:
                self._passed_over.add(path)
                logger.warning(
                    "%s It cannot be moved to quarantine/ (%s); its rows are skipped.", damage, error.strerror
                )
        else:
            logger.warning("%s It was set aside in quarantine/; its rows will be computed again.", damage)

    def quarantine(self, path: Path) -> None:
        """Move a damaged shard to `quarantine/`, where its bytes are kept for inspection. A link is never moved."""
        check_store_folder(self.folder)
        check_no_links(path)
        target = self.folder / "quarantine" / path.name
        target.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            path.replace(target)

    def prepare(self) -> Path:
        """Make the store's folder, and recipe.json if it is missing or damaged; return the folder of the shards.

        Raises:
            ForeignEntryError: The store, or a folder or file of fixed name in it, is a symbolic link.
            UnreadableStoreError: recipe.json exists and cannot be read.
        """
        check_store_folder(self.folder)
        shards = self.folder / "shards"
        shards.mkdir(parents=True, exist_ok=True)
        mend_recipe(self.recipe, self.folder)
        return shards

    def _mend_recipe(self) -> None:
        """Write recipe.json if it is missing or damaged: without it, commands on the cache do not know this store."""
        try:
            mend_recipe(self.recipe, self.folder)
        except OSError as error:
            logger.warning("%s is not whole: %s", self.folder, error)

    def _remove_debris(self) -> None:
        """Remove unfinished files of dead processes of this machine, also those of version 0.1.0 (`.tmp`)."""
        check_store_folder(self.folder)
        remove_debris(self.folder / "shards")
