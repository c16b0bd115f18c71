"""Rows of a later layer from stored rows of an earlier one: only the part of the network between them runs.

With the same engine the rows are the same, bit for bit, as if they had been made from the photographs:
each layer sees the same values in batches of the same size.
"""

import math
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from pipeline.cache.audit import seconds_to_make
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store
from pipeline.stage_one.compute import Engine
from pipeline.stage_one.pending import Pending
from pipeline.watchdog import watch

_BLOCK_BYTES = 128 * 2**20
"""Rows read at once."""


def can_derive(recipe: Recipe) -> bool:
    """Whether rows of later layers can be derived from these: grids that have lost nothing."""
    return (recipe.pooling, recipe.dtype, recipe.precision) == ("none", "float32", "float32")


def derive(
    keys: Keys,
    earlier: Store,
    later: Store,
    make_engine: Callable[[int], Engine],
    *,
    batch_size: int = 32,
    progress: bool = False,
) -> tuple[int, str | None]:
    """Make the rows that the later store lacks and the earlier one has.

    Args:
        keys: Rows that are wanted; those that cannot be made this way are left out.
        earlier: Rows of float32 from an earlier layer of the same trunk.
        later: Where rows are looked up and added.
        make_engine: The layers between the two, for so many rows; made when there is something to do.
        batch_size: Rows handed to the engine at a time.
        progress: Show a bar.

    Returns:
        How many were made, and the engine that made them; None if there was nothing to do.
    """
    wanted = np.unique(keys)
    wanted = wanted[~later.has(wanted) & earlier.has(wanted)]
    if not len(wanted):
        return 0, None
    # Shard after shard, so that each is read once or twice and not for every batch.
    wanted = wanted[np.argsort(earlier.shard_of(wanted), kind="stable")]
    engine = make_engine(len(wanted))
    row_bytes = 4 * math.prod(earlier.row_shape or (1,))
    block_rows = max(1, _BLOCK_BYTES // row_bytes // batch_size) * batch_size
    cost = seconds_to_make(earlier, 1) or 0.0
    provenance = engine.provenance | {"from": earlier.name}
    bar = tqdm(total=len(wanted), desc=f"from {earlier.recipe.cut}", unit="row", delay=1, disable=not progress)
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
