"""What a measurement leaves on the disk: rows in the cache, which later commands use."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.cache.store import Store


@dataclass(frozen=True)
class LeftRows:
    """New rows of one store."""

    store: str
    """Its folder."""

    rows: int
    megabytes: float
    """On disk."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def left_rows(store: Store, num_new: int) -> LeftRows | None:
    """Rows that a measurement added to a store; None if it added none."""
    if not num_new:
        return None
    return LeftRows(str(store.folder), num_new, num_new * row_bytes(store) / 1e6)


def row_bytes(store: Store) -> float:
    """Mean size of a row on disk."""
    return sum(path.stat().st_size for path in store.shard_paths()) / len(store)


def describe_left(left: Iterable[LeftRows]) -> str:
    """One sentence on what stays in the cache, and a line for each store."""
    lines = [f"  {entry.rows:,} rows, {entry.megabytes:.1f} MB, in {entry.store}" for entry in left]
    if not lines:
        return "Nothing new was left in the cache."
    return "\n".join(["New rows of the sample stay in the cache, where later commands use them:", *lines])
