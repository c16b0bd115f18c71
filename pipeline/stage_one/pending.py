"""Rows on their way into a store: gathered, and committed a shard at a time."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.store import Keys, Store

# A shard is committed at whichever comes first.
_SHARD_ROWS = 1024
_SHARD_BYTES = 256 * 2**20
_SHARD_SECONDS = 60.0


@dataclass
class Pending:
    """Rows that are computed and not yet committed."""

    store: Store
    row_seconds: float = 0.0
    """What a row had cost before: that of an earlier layer, which it was made from."""

    keys: list[Keys] = field(default_factory=list)
    features: list[NDArray[np.float32]] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)
    num_committed: int = 0

    def add(self, keys: Keys, features: NDArray[np.float32]) -> None:
        """Rows that have just been computed."""
        self.keys.append(keys)
        self.features.append(features)

    def is_due(self) -> bool:
        """Whether they are worth a shard."""
        rows = sum(map(len, self.keys))
        size = sum(part.nbytes for part in self.features)
        return rows >= _SHARD_ROWS or size >= _SHARD_BYTES or time.monotonic() - self.since >= _SHARD_SECONDS

    def commit(self, provenance: Mapping[str, str]) -> None:
        """Write them as one shard, with how they were made and what they cost."""
        if self.keys:
            keys = np.concatenate(self.keys)
            seconds = time.monotonic() - self.since + len(keys) * self.row_seconds
            self.store.append(keys, np.concatenate(self.features), {**provenance, "seconds": f"{seconds:.3f}"})
            self.num_committed += len(keys)
        self.keys, self.features, self.since = [], [], time.monotonic()
