"""How far the images of a run are from its training images: a histogram, and the farthest ones."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.reports.prediction_table import SPLITS, PredictionTable

LEVEL = 0.05
"""The p-value at which the page counts images."""

MAX_STRANGE = 24
"""Images of a split that are listed."""

_NUM_BINS = 30


def describe_novelty(table: PredictionTable) -> dict[str, Any] | None:
    """What the page shows, as JSON; None if the run has no distances."""
    known = {split: rows for split in SPLITS if len(rows := judged_rows(table, split))}
    if "validation" not in known:
        return None
    every = np.concatenate([table.distances[rows] for rows in known.values()])
    ends = np.linspace(0, float(every.max()) or 1.0, _NUM_BINS + 1)
    return {
        "level": LEVEL,
        "edge": _edge(table.distances[known["validation"]]),
        "ends": ends.tolist(),
        "splits": {split: _describe(table, rows, ends) for split, rows in known.items()},
    }


def judged_rows(table: PredictionTable, split: str) -> NDArray[np.int64]:
    """The rows of a split with a distance, the farthest first."""
    rows = table.rows_of(split)
    rows = rows[~np.isnan(table.distances[rows])]
    return rows[np.argsort(-table.distances[rows], kind="stable")]


def strange_rows(table: PredictionTable) -> Iterator[int]:
    """The rows that the page lists."""
    for split in SPLITS:
        yield from judged_rows(table, split)[:MAX_STRANGE].tolist()


def _describe(table: PredictionTable, rows: NDArray[np.int64], ends: NDArray[np.float64]) -> dict[str, Any]:
    p = table.p_values[rows]
    return {
        "n": len(rows),
        "counts": np.histogram(table.distances[rows], ends)[0].tolist(),
        "refused": int((p <= LEVEL).sum()),
        "strange": [[int(row), float(table.p_values[row])] for row in rows[:MAX_STRANGE]],
    }


def _edge(distances: NDArray[np.float64]) -> float | None:
    """The distance above which a p-value is at most the level, of validation distances, the largest first; None: it never is."""
    allowed = int(LEVEL * (len(distances) + 1) + 1e-9) - 1
    return float(distances[allowed]) if allowed >= 0 else None
