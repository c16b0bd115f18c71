"""Merging small shards into full ones. Committed rows are in at least one shard on the disk at any time.

A merged shard is committed like any other before the shards whose rows it holds are removed. If the process is killed between
the two, the store has rows twice: rows are then read from the larger shard, and the next call removes the smaller ones. A process
with a removed shard in its index reads the merged one (`Store.read`).
"""

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.shard import (
    FULL_BYTES,
    FULL_ROWS,
    ShardRows,
    check_bytes,
    commit_shard,
    read_features,
    read_provenance,
)
from pipeline.cache.store import Keys, Store, pack_rows
from pipeline.errors import DamagedStoreError
from pipeline.progress import progress_bar

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compaction:
    """A store before and after its shards were merged."""

    store: str
    rows: int
    shards_before: int
    shards_after: int
    bytes_before: int
    bytes_after: int

    error: str | None = None
    """Why the store was left as it is; the numbers are 0 then."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `error` only if there is one."""
        values = asdict(self)
        return values if self.error else {name: value for name, value in values.items() if name != "error"}


@dataclass(frozen=True)
class _Part:
    """A small shard, and those of its rows that are in no larger one."""

    shard: ShardRows
    keys: Keys
    rows: NDArray[np.int64]
    """Positions in the shard, (n,)."""

    provenance: Mapping[str, str]

    @property
    def origin(self) -> tuple[object, ...]:
        """How its rows were made. Only rows of one origin are merged, so that the provenance of a shard stays true."""
        # Seconds are added up, but not with those of a shard that does not record them.
        known = {**self.provenance, "seconds": "known"} if "seconds" in self.provenance else self.provenance
        return (self.shard.row_shape, *sorted(known.items()))

    @property
    def seconds(self) -> float:
        """Seconds that the rows took to compute."""
        return float(self.provenance.get("seconds", 0)) * len(self.rows) / len(self.shard)


def compact_all(stores: Sequence[Store], *, progress: bool = False) -> list[Compaction]:
    """Merge the small shards of several stores; one that cannot be merged is named, and the others are."""
    return [_compact_or_error(store, progress=progress) for store in stores]


def _compact_or_error(store: Store, *, progress: bool) -> Compaction:
    try:
        return compact(store, progress=progress)
    except (DamagedStoreError, OSError) as error:
        logger.warning("The store %s is left as it is: %s", store.folder, error)
        return Compaction(store.name, 0, 0, 0, 0, 0, str(error))


def compact(store: Store, *, progress: bool = False) -> Compaction:
    """Merge the small shards of a store; full ones stay as they are, and a second call finds nothing to do.

    No other process of this machine changes the store meanwhile. Two full shards are in memory at most.

    Raises:
        DamagedStoreError: A shard is damaged; shards merged before it stay merged.
        OSError: The store cannot be written; nothing is lost.
    """
    store = Store(store.folder.parent, store.recipe)  # opened anew: all bytes are checked before any shard is removed
    with store.adding():
        paths = [shard.path for shard in store.shards]
        before = len(paths), sum(path.stat().st_size for path in paths)
        parts = _parts(store.shards)
        for part in parts:
            if not len(part.rows):
                part.shard.path.unlink(missing_ok=True)
        kept = [part for part in parts if len(part.rows)]
        with progress_bar(desc=f"compact {store.name}", total=len(kept), unit="shard", progress=progress) as bar:
            for group in _groups(kept):
                _merge(store, group)
                bar.update(len(group))
        store.refresh()
    paths = [shard.path for shard in store.shards]
    return Compaction(
        store.name, len(store), before[0], len(paths), before[1], sum(path.stat().st_size for path in paths)
    )


def _parts(shards: Sequence[ShardRows]) -> list[_Part]:
    """The small shards, ordered by their first keys, so that rows computed one after the other become neighbours."""
    ordered = sorted(shards, key=lambda shard: (-len(shard), shard.path.name))
    keys = np.concatenate([np.empty(0, "S33"), *(shard.keys for shard in ordered)])
    is_first = np.zeros(len(keys), np.bool_)
    is_first[np.unique(keys, return_index=True)[1]] = True
    parts, start = [], 0
    for shard in ordered:
        rows = np.flatnonzero(is_first[start : start + len(shard)])
        if not _is_full(len(shard), shard):
            parts.append(_Part(shard, keys[start + rows], rows, read_provenance(shard.path)))
        start += len(shard)
    return sorted(parts, key=lambda part: part.keys[:1].tobytes())


def _groups(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Groups of parts that become one shard each; the last group of an origin may be smaller than a full shard."""
    waiting: dict[object, list[_Part]] = {}
    for part in parts:
        group = waiting.setdefault(part.origin, [])
        group.append(part)
        if _is_full(sum(len(entry.rows) for entry in group), part.shard):
            yield waiting.pop(part.origin)
    yield from waiting.values()


def _is_full(num_rows: int, shard: ShardRows) -> bool:
    """Whether a shard with so many rows of this shape is full."""
    return num_rows >= FULL_ROWS or num_rows * 4 * math.prod(shard.row_shape) >= FULL_BYTES


def _merge(store: Store, group: Sequence[_Part]) -> None:
    """Commit one merged shard, then remove the old ones. A single part that is a whole shard stays as it is."""
    if len(group) == 1 and len(group[0].rows) == len(group[0].shard):
        return
    provenance = dict(group[0].provenance)
    if "seconds" in provenance:
        provenance["seconds"] = f"{sum(part.seconds for part in group):.3f}"
    keys = np.concatenate([part.keys for part in group])
    features = np.concatenate([_read(part, store) for part in group])
    merged = commit_shard(store.prepare(), pack_rows(store.recipe, keys, features, provenance))
    for part in group:
        if part.shard.path != merged:
            part.shard.path.unlink(missing_ok=True)


def _read(part: _Part, store: Store) -> NDArray[np.floating]:
    check_bytes(
        part.shard.path
    )  # again: otherwise damage since the store was opened would be committed under a new, valid name
    return read_features(part.shard.path, store.recipe)[part.rows]
