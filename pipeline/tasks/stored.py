"""Outputs as cells of predictions.csv."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_COLUMNS = 50
"""Classes or labels that have a column each."""

NUM_LISTED = 5
"""Classes or labels that are listed for each image if there are more."""


def probability_columns(names: Sequence[str]) -> list[str]:
    """Names of the columns of probabilities.

    Up to `MAX_COLUMNS` names have a column each, `p:NAME`. Of more names the most likely ones are listed, as `predict --out` does it:
    probability (of the most likely one), label_2, probability_2 and so on. 1,200 columns would make a file of 40 MB for 4,000 images.
    """
    if len(names) <= MAX_COLUMNS:
        return [f"p:{name}" for name in names]
    return [
        "probability",
        *(f"{name}_{number}" for number in range(2, NUM_LISTED + 1) for name in ("label", "probability")),
    ]


def probability_cells(p: NDArray[np.float32], names: Sequence[str]) -> list[str]:
    """Probabilities (K,) with 6 decimals, in these columns; the largest, by which images are sorted, is exact."""
    if len(names) > MAX_COLUMNS:
        first, *others = np.argsort(-p, kind="stable")[:NUM_LISTED]
        return [_exact(p[first]), *(text for k in others for text in (names[k], f"{p[k]:.6f}"))]
    texts = [f"{value:.6f}" for value in p]
    texts[int(p.argmax())] = _exact(p.max())
    return texts


def _exact(value: np.float32) -> str:
    return f"{value:.9g}"  # 9 digits give every float32 back
