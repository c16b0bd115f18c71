"""Rows of one store that serve in another as they are."""

import math

import numpy as np

from pipeline.cache.shard import FULL_BYTES, FULL_ROWS, read_provenance
from pipeline.cache.store import Keys, Store
from pipeline.cache.stores import seconds_to_make


def copy_rows(keys: Keys, source: Store, target: Store) -> int:
    """Copy rows that the target lacks, in the order of the shards they come from, with what they cost.

    Args:
        keys: Rows of the source, each once.
        source: Its rows have the shape and the meaning of the target's.
        target: Where rows are looked up and added.

    Returns:
        The number of rows that were copied.

    Raises:
        MissingRowsError: The source lacks a row.
        OSError: The target cannot be written.
    """
    with target.adding(keys):
        wanted = keys[~target.has(keys)]
        if not len(wanted):
            return 0
        wanted = wanted[np.argsort(source.shard_of(wanted), kind="stable")]
        provenance = {**read_provenance(source.shard_paths()[0]), "from": source.name}
        row_seconds = seconds_to_make(source, 1) or 0.0
        num_rows = max(1, min(FULL_ROWS, FULL_BYTES // (4 * math.prod(source.row_shape or (1,)))))
        for start in range(0, len(wanted), num_rows):
            block = wanted[start : start + num_rows]
            seconds = f"{row_seconds * len(block):.3f}"
            target.append(block, source.read(block), {**provenance, "seconds": seconds})
    return len(wanted)
