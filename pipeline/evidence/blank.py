"""Blank a cell, what then? What a sum of any head loses without each cell of the grid.

A blanked cell has the mean of the training rows where the head centres by it, and zeros otherwise. Under max pooling a cell is left out
instead: a mean of maxima is larger than most cells. Of bases that are joined each has its own grid, and their losses are added.

Letters: see `pipeline.evidence.maps`.
"""

from collections.abc import Callable

import numpy as np

from pipeline.cache.pooling import pool_rows
from pipeline.evidence.maps import Array, Double, Maps, Parts, head_rows, on_one_grid
from pipeline.stage_two.head import Head
from pipeline.stage_two.linear.heads import LinearHead, unit_lengths

_Totals = Callable[[Array, Double], Double]
"""z v of rows, (N,)."""


def blank_maps(head: Head, parts: Parts, pooling: str, v: Double) -> Maps:
    """What z v loses with each cell blanked, for any head. z are the sums before the link; of neighbours, their shares or means.

    Args:
        head: The head.
        parts: The cells.
        pooling: `avg`, `max` or `none`.
        v: What is asked, (N, K).
    """
    totals = _totals_of(head)
    rows = head_rows(parts, pooling)
    total = totals(rows, v)
    fills = _fills(head, parts, pooling, rows)
    maps = [
        total[:, None, None] - _without_each(parts, number, fill, pooling, lambda rows: totals(rows, v))
        for number, fill in enumerate(fills)
    ]
    return Maps(on_one_grid(maps), np.zeros(len(total)), total, "blank")


def _without_each(parts: Parts, number: int, fill: Array, pooling: str, total_of: Callable[[Array], Double]) -> Double:
    """The sums z v with one cell of one grid blanked, (N, h, w), one cell after the other."""
    part, found = parts[number], np.empty(parts[number].shape[:3])
    others = [pool_rows(other, pooling) for other in parts] if pooling != "none" else []
    blanked = part.copy()
    for row, column in np.ndindex(*part.shape[1:3]):
        blanked[:, row, column] = fill[:, row, column]
        rows = pool_rows(blanked, pooling)
        around = [rows] if pooling == "none" else [*others[:number], rows, *others[number + 1 :]]
        found[:, row, column] = total_of(np.concatenate(around, axis=1) if len(around) > 1 else rows)
        blanked[:, row, column] = part[:, row, column]
    return found


def _fills(head: Head, parts: Parts, pooling: str, rows: Array) -> list[Array]:
    """What blanked cells have, (N, h, w, C) for each grid."""
    if pooling == "max":
        return [np.broadcast_to(part.min(axis=(1, 2), keepdims=True), part.shape) for part in parts]
    mean = getattr(head, "mean", None)
    if mean is None:
        return [np.zeros_like(part) for part in parts]
    flat = rows.reshape(len(rows), -1)
    lengths = unit_lengths(head, flat) if isinstance(head, LinearHead) else np.ones(len(flat))
    centre = (lengths[:, None] * mean).astype(np.float32)
    if pooling == "none":
        return [centre.reshape(parts[0].shape)]
    ends = np.cumsum([part.shape[-1] for part in parts])[:-1]
    own = zip(np.split(centre, ends, axis=1), parts, strict=True)
    return [np.broadcast_to(each[:, None, None], part.shape) for each, part in own]


def _totals_of(head: Head) -> _Totals:
    if isinstance(head, LinearHead):
        return lambda rows, v: (v * head.temperature * head.scores(rows.reshape(len(rows), -1))).sum(axis=1)
    if hasattr(head, "arrays"):
        return lambda rows, v: (v * head.outputs(rows.reshape(len(rows), -1))).sum(axis=1)
    from pipeline.stage_two.dense.gradients import DenseSums

    return DenseSums(head).totals  # type: ignore[arg-type]  # heads without arrays are dense ones
