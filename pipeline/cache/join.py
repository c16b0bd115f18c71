"""Rows of several stores side by side as rows of another one."""

from collections.abc import Sequence

import numpy as np

from pipeline.cache.shard import FULL_ROWS, read_provenance
from pipeline.cache.store import Keys, Store
from pipeline.cache.stores import seconds_to_make


def join_rows(keys: Keys, sources: Sequence[Store], target: Store) -> int:
    """Write the average-pooled rows of all sources side by side, where all have a row and the target has none.

    Args:
        keys: Rows that are wanted.
        sources: In the order of their channels.
        target: Where rows are looked up and added.

    Returns:
        The number of rows that were written.

    Raises:
        OSError: The target cannot be written.
    """
    wanted = np.unique(keys)
    for source in sources:
        wanted = wanted[source.has(wanted)]
    wanted = wanted[~target.has(wanted)]
    if not len(wanted):
        return 0
    provenance = read_provenance(sources[0].shard_paths()[0])
    provenance |= {"from": " + ".join(source.name for source in sources)}
    row_seconds = sum(seconds_to_make(source, 1) or 0.0 for source in sources)
    for start in range(0, len(wanted), FULL_ROWS):
        block = wanted[start : start + FULL_ROWS]
        rows = np.concatenate([source.read(block, pooling="avg") for source in sources], axis=1)
        target.append(block, rows, {**provenance, "seconds": f"{row_seconds * len(block):.3f}"})
    return len(wanted)
