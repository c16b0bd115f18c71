"""Computed rows that wait to be committed. A shard is written while the rows of the next one are computed."""

import math
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.shard import FULL_BYTES, FULL_ROWS
from pipeline.cache.store import Keys

# A shard is committed at whichever comes first.
_SHARD_ROWS, _SHARD_BYTES = FULL_ROWS, FULL_BYTES
_SHARD_SECONDS = 60.0


def rows_per_shard(row_shape: Sequence[int], rows_per_second: float, batch_size: int) -> int:
    """Rows after which a shard is due at a given speed, in whole batches.

    Args:
        row_shape: Shape of a float32 row.
        rows_per_second: The speed.
        batch_size: Rows per batch.
    """
    due = min(_SHARD_ROWS, _SHARD_BYTES / (4 * math.prod(row_shape)), _SHARD_SECONDS * rows_per_second)
    return math.ceil(due / batch_size) * batch_size


class Sink(Protocol):
    """Where shards go: a store, or the outbox of a worker."""

    def append(self, keys: Keys, features: NDArray[np.floating], provenance: Mapping[str, str]) -> object:
        """Commit rows, float32 (n, h, w, C) or (n, C), as one shard."""
        ...


@dataclass
class Pending:
    """Rows that are computed but not yet committed. As a context, it ends when every committed shard is on the disk."""

    sink: Sink
    row_seconds: float = 0.0
    """Seconds that the earlier row took from which each row is derived."""

    shard_rows: int | None = None
    """Rows per shard, if fewer than usual are wanted."""

    keys: list[Keys] = field(default_factory=list)
    features: list[NDArray[np.float32]] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)
    num_committed: int = 0
    _writer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    _writing: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._wait()
        finally:
            self._writer.shutdown()

    def add(self, keys: Keys, features: NDArray[np.float32]) -> None:
        """Take rows that have just been computed."""
        self.keys.append(keys)
        self.features.append(features)

    def is_due(self) -> bool:
        """Whether it is time to commit a shard."""
        rows = sum(map(len, self.keys))
        size = sum(part.nbytes for part in self.features)
        return (
            rows >= (self.shard_rows or _SHARD_ROWS)
            or size >= _SHARD_BYTES
            or time.monotonic() - self.since >= _SHARD_SECONDS
        )

    def commit(self, provenance: Mapping[str, str]) -> None:
        """Hand the rows to the writer as one shard, with their provenance and the seconds they took.

        Raises:
            OSError: The previous shard could not be written.
        """
        self._wait()  # so that no more than two shards are in memory
        if self.keys:
            seconds = time.monotonic() - self.since + sum(map(len, self.keys)) * self.row_seconds
            entry = {**provenance, "seconds": f"{seconds:.3f}"}
            self._writing = self._writer.submit(self._append, self.keys, self.features, entry)
        self.keys, self.features, self.since = [], [], time.monotonic()

    def _append(self, keys: list[Keys], features: list[NDArray[np.float32]], provenance: Mapping[str, str]) -> None:
        self.sink.append(np.concatenate(keys), np.concatenate(features), provenance)
        self.num_committed += sum(map(len, keys))

    def _wait(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()
