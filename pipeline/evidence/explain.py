"""Maps of any head: the exact ones where the head is linear, otherwise gradients, otherwise what is lost without each cell."""

from collections.abc import Callable

import numpy as np

from pipeline.errors import SettingError
from pipeline.evidence.blank import blank_maps
from pipeline.evidence.maps import Double, Maps, Parts, divide, head_rows, linear_maps
from pipeline.stage_two.head import Head
from pipeline.stage_two.linear.heads import LinearHead

WAYS = ("exact", "gradient", "blank")
"""`exact`: linear heads. `gradient`: gradient times input, dense heads. `blank`: what is lost if a cell is blanked, all heads."""

Explain = Callable[[Parts, Double], Maps]
"""The maps of the cells of N images for what is asked of their sums, (N, K)."""


def explain_with(head: Head, pooling: str, how: str | None = None) -> Explain:
    """What makes the maps of a head.

    Args:
        head: A head. Neighbours have no slopes, so for them cells are blanked.
        pooling: Of the rows that it takes: `avg`, `max` or `none`.
        how: One of `WAYS`; None: the first of them that the head has.

    Raises:
        SettingError: The head does not have that way.
    """
    able = ways_of(head)
    how = how or able[0]
    if how not in able:
        raise SettingError(f"The evidence of this head ({head!r}) is {' or '.join(able)}. Received: {how!r}.")
    if how == "exact" and isinstance(head, LinearHead):
        return lambda parts, v: linear_maps(head, parts, pooling, v)
    return _gradients(head, pooling) if how == "gradient" else lambda parts, v: blank_maps(head, parts, pooling, v)


def ways_of(head: Head) -> tuple[str, ...]:
    """The ways of a head, the best first."""
    if isinstance(head, LinearHead):
        return "exact", "blank"
    return ("blank",) if hasattr(head, "arrays") else ("gradient", "blank")


def _gradients(head: Head, pooling: str) -> Explain:
    from pipeline.stage_two.dense.gradients import DenseSums

    sums = DenseSums(head)  # type: ignore[arg-type]  # heads without arrays are dense ones

    def explain(parts: Parts, v: Double) -> Maps:
        slopes, total = sums.gradients(head_rows(parts, pooling), v)
        flat = slopes.reshape(len(slopes), -1).astype(np.float64)
        cells = divide(parts, pooling, flat, np.zeros(flat.shape[1]), np.ones(len(flat)))
        return Maps(cells, total - cells.mean(axis=(1, 2)), total, "gradient")

    return explain
