"""Rows of a later layer from stored rows of an earlier one: only the layers between the two run.

With the same engine the rows are bit for bit those computed from the images: each layer sees the same values in batches of the
same size.
"""

import math
from collections.abc import Callable

import numpy as np

from pipeline.cache.store import Keys, Store
from pipeline.cache.stores import seconds_to_make
from pipeline.progress import progress_bar
from pipeline.stage_one.computing.pending import Pending
from pipeline.stage_one.engines.engine import Engine
from pipeline.watchdog import watch

_BLOCK_BYTES = 128 * 2**20
"""Size of the rows that are read at once."""


def derive(
    keys: Keys,
    earlier: Store,
    later: Store,
    make_engine: Callable[[int], Engine],
    *,
    batch_size: int = 32,
    progress: bool = False,
) -> tuple[int, str | None]:
    """Compute the rows that the later store lacks from those of the earlier one.

    Args:
        keys: Rows that are wanted; those that the earlier store lacks too are left out.
        earlier: float32 rows of an earlier layer of the same trunk.
        later: Where rows are looked up and added.
        make_engine: Called with the number of rows; loads the layers between the two. Not called if no row can be derived.
        batch_size: Rows handed to the engine at a time.
        progress: Show a progress bar.

    Returns:
        How many rows were computed, and the name of the engine; None if there were none.
    """
    wanted = np.unique(keys)
    wanted = wanted[~later.has(wanted) & earlier.has(wanted)]
    if not len(wanted):
        return 0, None
    # In the order of their shards, so that each shard is read once or twice and not for every batch.
    wanted = wanted[np.argsort(earlier.shard_of(wanted), kind="stable")]
    engine = make_engine(len(wanted))
    row_bytes = 4 * math.prod(earlier.row_shape or (1,))
    block_rows = max(1, _BLOCK_BYTES // row_bytes // batch_size) * batch_size
    cost = seconds_to_make(earlier, 1) or 0.0
    provenance = engine.provenance | {"from": earlier.name}
    bar = progress_bar(total=len(wanted), desc=f"from {earlier.recipe.cut}", unit="row", delay=1, progress=progress)
    with watch("Stage one") as moved, bar, Pending(later, row_seconds=cost) as pending:
        try:
            for start in range(0, len(wanted), block_rows):
                block = wanted[start : start + block_rows]
                rows = earlier.read(block)
                for first in range(0, len(block), batch_size):
                    batch = slice(first, first + batch_size)
                    pending.add(block[batch], engine.features(rows[batch]))
                    bar.update(len(block[batch]))
                    moved(f"{pending.num_committed:,} new rows were committed; the same command goes on from there.")
                    if pending.is_due():
                        pending.commit(provenance)
        finally:
            pending.commit(provenance)
    return pending.num_committed, engine.provenance["engine"]
