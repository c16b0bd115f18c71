"""What was copied between the cache and the shared one, and which shards have to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.store import Keys, split_keys


@dataclass(frozen=True)
class Refused:
    """A store or a shard that was not copied."""

    path: str
    """Its path in the cache."""

    reason: str


@dataclass(frozen=True)
class Transfer:
    """What was copied of one store."""

    store: str
    rows: int
    shards: int
    num_bytes: int
    refused: tuple[Refused, ...] = ()

    def plus(self, other: "Transfer") -> "Transfer":
        """Both together."""
        return Transfer(
            self.store,
            self.rows + other.rows,
            self.shards + other.shards,
            self.num_bytes + other.num_bytes,
            self.refused + other.refused,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"store": self.store, "rows": self.rows, "shards": self.shards, "bytes": self.num_bytes}


@dataclass(frozen=True)
class Exchange:
    """What was copied, by `cache push` or `cache pull`."""

    url: str
    """Of the shared cache, without secrets."""

    transfers: tuple[Transfer, ...]
    """Of each store that was looked at."""

    refused_stores: tuple[Refused, ...] = ()

    @property
    def refused(self) -> tuple[Refused, ...]:
        """Everything that was not copied because something is wrong with it."""
        return (*self.refused_stores, *(entry for transfer in self.transfers for entry in transfer.refused))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "url": self.url,
            "stores": [transfer.as_dict() for transfer in self.transfers],
            "refused": [{"path": entry.path, "reason": entry.reason} for entry in self.refused],
        }


def choose_shards(lists: Mapping[str, Keys], wanted: Keys) -> list[str]:
    """Few shards that together have all of the wanted rows that any has: those with most of them first.

    Args:
        lists: The rows of each shard, by its name.
        wanted: Rows.
    """
    wanted = np.unique(wanted)
    is_left = np.ones(len(wanted), np.bool_)
    found = {name: _positions(wanted, keys) for name, keys in lists.items()}
    chosen = []
    for name in sorted(found, key=lambda name: (-len(found[name]), name)):
        if is_left[found[name]].any():
            chosen.append(name)
            is_left[found[name]] = False
    return chosen


def _positions(wanted: Keys, keys: Keys) -> NDArray[np.int64]:
    """Where those of the keys that are wanted stand among the wanted ones, which are sorted."""
    if not len(wanted):
        return np.empty(0, np.int64)
    position = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
    found: NDArray[np.int64] = position[wanted[position] == keys]
    return found


def rows_of_images(keys: Keys, digests: Sequence[bytes] | None) -> Keys:
    """Those of the rows that are of these images, of any view; all for None."""
    if digests is None or not len(keys):
        return keys
    of_rows = np.ascontiguousarray(split_keys(keys)[0]).view("S32")[:, 0]
    return keys[np.isin(of_rows, np.frombuffer(b"".join(digests), "S32"))]
