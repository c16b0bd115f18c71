"""Removing all rows of some images from a store, in every view.

A shard never changes: its other rows are committed as a new one, and only then is it removed. If the process is killed between the two,
the store has these rows twice, and the next call finds the old shard, commits the same bytes under the same name, and removes it. All other
rows are on the disk at any time, bit for bit, and a process with the old shard in its index reads the new one (`Store.read`).
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.own import check_no_links, is_gone, list_folder
from pipeline.cache.shard import (
    ShardRows,
    check_bytes,
    commit_shard,
    read_features,
    read_provenance,
    read_rows,
)
from pipeline.cache.store import Store, pack_rows
from pipeline.disk import sync_folder
from pipeline.errors import DamagedStoreError, ForeignEntryError, PipelineError, UnreadableStoreError


@dataclass(frozen=True)
class ShardChange:
    """A shard that held rows of the images. Its name is the beginning of the SHA-256 of its bytes."""

    before: str
    after: str | None
    """The shard that holds its other rows; None: it had no others, or nothing was changed yet."""

    rows: int
    """Rows of the images, of all views."""

    kept: int
    """Other rows."""


@dataclass(frozen=True)
class StoreChange:
    """What a store held of the images."""

    store: str
    searched: int
    """Number of shards that were looked through, damaged ones in quarantine too."""

    shards: tuple[ShardChange, ...] = ()
    quarantined: tuple[str, ...] = ()
    """Damaged shards that hold rows of the images, or that cannot be searched for them."""

    lists: tuple[str, ...] = ()
    """Lists of keys, in a cache that others pull from, that name the images."""

    error: str | None = None
    """Why it was left as it is."""

    @property
    def rows(self) -> int:
        """Rows of the images."""
        return sum(shard.rows for shard in self.shards)

    @property
    def is_touched(self) -> bool:
        """Whether anything of the images is or was in it."""
        return bool(self.shards or self.quarantined or self.lists)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `error` only if there is one."""
        values = {**asdict(self), "rows": self.rows}
        return values if self.error else {name: value for name, value in values.items() if name != "error"}


def forget_rows(folder: Path, digests: Collection[bytes], *, is_dry: bool) -> StoreChange:
    """Remove all rows of these images from the store in a folder.

    Another process of this machine that adds rows to the store is waited for.

    Args:
        folder: The store's folder.
        digests: SHA-256 of each image.
        is_dry: Change nothing, only find out what would be changed.
    """
    try:
        store = Store.open(folder)
        return _look(store, digests) if is_dry else _forget(store, digests)
    except (PipelineError, OSError, OverflowError) as error:
        return StoreChange(folder.name, 0, error=str(error))


def is_of(digests: Collection[bytes], rows: ShardRows) -> NDArray[np.bool_]:
    """Which rows of a shard are of these images, (n,)."""
    # S32 drops trailing zero bytes when an element becomes Python bytes, but numpy compares it fixed-width.
    wanted = np.frombuffer(b"".join(digests), "S32")
    found: NDArray[np.bool_] = np.isin(np.frombuffer(rows.digests.tobytes(), "S32"), wanted)
    return found


def _look(store: Store, digests: Collection[bytes]) -> StoreChange:
    """What would be changed; only keys are read."""
    paths, changes, damaged = store.shard_paths(), list[ShardChange](), list[str]()
    for path in paths:
        try:
            rows = read_rows(path, store.recipe)
        except ForeignEntryError:
            continue  # the store does not read it either, and says so
        except DamagedStoreError:
            if not is_gone(path):
                damaged.append(path.name)  # it will be set aside
            continue
        found = int(is_of(digests, rows).sum())
        if found:
            changes.append(ShardChange(path.name, None, found, len(rows) - found))
    aside, lists = _quarantined(store, digests), _names(_lists(store, digests))
    return StoreChange(store.name, len(paths) + len(aside), tuple(changes), (*damaged, *_names(aside)), lists)


def _forget(store: Store, digests: Collection[bytes]) -> StoreChange:
    changes = []
    with store.adding():  # opening has set damaged shards aside
        shards = list(store.shards)
        for shard in shards:
            gone = is_of(digests, shard)
            if gone.any():
                changes.append(_rewrite(store, shard, gone))
        aside, lists = _quarantined(store, digests), _lists(store, digests)
        _remove(aside)
        _remove(lists)
        store.refresh()
    return StoreChange(store.name, len(shards) + len(aside), tuple(changes), _names(aside), _names(lists))


def _rewrite(store: Store, shard: ShardRows, gone: NDArray[np.bool_]) -> ShardChange:
    """Commit the other rows of a shard as a new one, then remove it."""
    kept, after = np.flatnonzero(~gone), None
    if len(kept):
        check_bytes(shard.path)  # otherwise damage since the store was opened would get a new, valid name
        features = read_features(shard.path, store.recipe)[kept]
        provenance = read_provenance(shard.path)
        if "seconds" in provenance:
            provenance["seconds"] = f"{float(provenance['seconds']) * len(kept) / len(shard):.3f}"
        data = pack_rows(store.recipe, shard.keys[kept], features, provenance)
        after = commit_shard(store.prepare(), data).name
    shard.path.unlink(missing_ok=True)
    sync_folder(shard.path.parent)
    return ShardChange(shard.path.name, after, int(gone.sum()), len(kept))


def _names(paths: Collection[Path]) -> tuple[str, ...]:
    return tuple(path.name for path in paths)


def _remove(paths: Collection[Path]) -> None:
    """Remove files of one folder."""
    for path in paths:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in paths}:
        sync_folder(folder)


def _lists(store: Store, digests: Collection[bytes]) -> list[Path]:
    """Lists of keys that name the images; a shard without a list is read instead of it."""
    return [path for path in list_folder(store.folder / "keys", ".keys") if _lists_one(path, digests)]


def _lists_one(path: Path, digests: Collection[bytes]) -> bool:
    check_no_links(path)
    data = path.read_bytes()
    return any(digest in data for digest in digests)


def _quarantined(store: Store, digests: Collection[bytes]) -> list[Path]:
    """Damaged shards that hold rows of the images, or whose keys cannot be read."""
    return [path for path in list_folder(store.folder / "quarantine", ".h5") if _may_hold(path, store, digests)]


def _may_hold(path: Path, store: Store, digests: Collection[bytes]) -> bool:
    check_no_links(path)
    try:
        return bool(is_of(digests, read_rows(path, store.recipe)).any())
    except (DamagedStoreError, UnreadableStoreError):
        return True
