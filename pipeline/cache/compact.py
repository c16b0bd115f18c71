"""Merging small shards into full ones: what was committed is always in at least one shard on the disk.

A merged shard is committed like any other before the shards whose rows it holds are removed. Killed between the two, a store
has rows twice; the larger shard counts then, and the next call removes the smaller ones. A process that has such a shard in its
index reads the merged one (`Store.read`).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.cache.shard import (
    FULL_BYTES,
    FULL_ROWS,
    ShardRows,
    check_bytes,
    commit_shard,
    read_features,
    read_provenance,
)
from pipeline.cache.store import Keys, Store, pack_rows, shard_keys


@dataclass(frozen=True)
class Compaction:
    """What became of a store."""

    store: str
    rows: int
    shards_before: int
    shards_after: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True)
class _Part:
    """A small shard, and which of its rows are in no larger one."""

    shard: ShardRows
    keys: Keys
    rows: NDArray[np.int64]
    """Places in the shard, (n,)."""

    provenance: Mapping[str, str]

    @property
    def origin(self) -> tuple[object, ...]:
        """How its rows were made: only rows that were made alike are merged, so that a shard still tells it."""
        # Seconds add up, but not with those of a shard that does not tell them.
        told = {**self.provenance, "seconds": "told"} if "seconds" in self.provenance else self.provenance
        return (self.shard.row_shape, *sorted(told.items()))

    @property
    def seconds(self) -> float:
        """What the rows have cost."""
        return float(self.provenance.get("seconds", 0)) * len(self.rows) / len(self.shard)


def compact(store: Store, *, progress: bool = False) -> Compaction:
    """Merge the small shards of a store; full ones stay as they are, and a second call finds nothing to do.

    It is the only process of this machine that changes the store meanwhile. Two shards of the largest size are in memory.

    Raises:
        DamagedStoreError: A shard is damaged inside; what was merged before stays merged.
        OSError: The store cannot be written; nothing is lost.
    """
    store = Store(store.folder.parent, store.recipe)  # opened anew: all bytes are compared before any shard is removed
    with store.adding():
        paths = [shard.path for shard in store.shards]
        before = len(paths), sum(path.stat().st_size for path in paths)
        parts = _parts(store.shards)
        for part in parts:
            if not len(part.rows):
                part.shard.path.unlink(missing_ok=True)
        kept = [part for part in parts if len(part.rows)]
        with tqdm(desc=f"compact {store.name}", total=len(kept), unit="shard", delay=2, disable=not progress) as bar:
            for group in _groups(kept):
                _merge(store, group)
                bar.update(len(group))
        store.refresh()
    paths = [shard.path for shard in store.shards]
    return Compaction(
        store.name, len(store), before[0], len(paths), before[1], sum(path.stat().st_size for path in paths)
    )


def _parts(shards: Sequence[ShardRows]) -> list[_Part]:
    """The small shards, those with the first keys first: neighbours in the order in which rows are made."""
    ordered = sorted(shards, key=lambda shard: (-len(shard), shard.path.name))
    keys = np.concatenate([np.empty(0, "S33"), *map(shard_keys, ordered)])
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
    """Parts that become one shard; the last of an origin may stay smaller than a full one."""
    waiting: dict[object, list[_Part]] = {}
    for part in parts:
        group = waiting.setdefault(part.origin, [])
        group.append(part)
        if _is_full(sum(len(entry.rows) for entry in group), part.shard):
            yield waiting.pop(part.origin)
    yield from waiting.values()


def _is_full(num_rows: int, shard: ShardRows) -> bool:
    """Whether a shard of so many rows as this one's is full."""
    return num_rows >= FULL_ROWS or num_rows * 4 * math.prod(shard.row_shape) >= FULL_BYTES


def _merge(store: Store, group: Sequence[_Part]) -> None:
    """One new shard on the disk, then the old ones away; a single one that holds nothing twice stays as it is."""
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
    check_bytes(part.shard.path)  # again, or damage since the store was opened would get a name of its own
    return read_features(part.shard.path, store.recipe)[part.rows]
