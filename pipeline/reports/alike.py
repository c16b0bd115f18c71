"""More like this: for each image of a page that has a thumbnail, the nearest ones among them.

Letters: N images of the map, D features, n of them with a thumbnail.
"""

from collections.abc import Container
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.insight.neighbours import find_nearest, unit_length

NUM_ALIKE = 12


def find_alike(rows: NDArray[np.int64], X: NDArray[np.float32], shown: Container[int]) -> dict[str, Any] | None:
    """The nearest images of each one as plain data, compact: 12 small numbers twice for each image.

    Args:
        rows: Images of the map, (N,).
        X: Their pooled rows, (N, D).
        shown: Images that have a thumbnail.

    Returns:
        {rows: n of them, near: places in `rows` of the nearest ones of each, cosines: in thousandths}; None with fewer than two.
    """
    places = np.array([place for place, row in enumerate(rows.tolist()) if row in shown], np.int64)
    if len(places) < 2:
        return None
    unit, numbers = unit_length(X[places]), np.arange(len(places))
    found = find_nearest(unit, unit, min(NUM_ALIKE, len(places) - 1), blocks=(numbers, numbers))
    return {
        "rows": rows[places].tolist(),
        "near": found.images.tolist(),
        "cosines": np.round(1000 * found.cosines).astype(int).tolist(),
    }
