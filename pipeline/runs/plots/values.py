"""Plots of predicted numbers: against the true ones, and their errors."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.runs.plots.canvas import BLUE, GREEN, RED, Axis, Panel, Sheet
from pipeline.runs.plots.texts import shortened
from pipeline.tasks.regression import LEVEL
from pipeline.tasks.value_scores import ValueScore, ValueScores

MAX_COLUMNS = 4
_MOST_POINTS = 4000
_SIZE = 540
_LONGEST = 24


def draw_values(
    path: Path,
    values: NDArray[np.float32],
    y: NDArray[np.float32],
    scores: ValueScores,
    half_widths: Sequence[float],
    names: Sequence[str],
    title: str,
) -> None:
    """For each column, up to four: predicted against true numbers, and errors against predictions, with the interval as a band.

    Args:
        path: The PNG file.
        values: Predictions, (N, T).
        y: Numbers, NaN where they are not known, (N, T).
        scores: Of these predictions.
        half_widths: Half the width of each column's interval; empty if there is none.
        names: T names.
        title: Of the plot.
    """
    columns = [k for k, name in enumerate(names) if name in scores.columns][:MAX_COLUMNS]
    more = f"\nThe first {len(columns)} of {len(names)} columns" if len(columns) < len(names) else ""
    note = f"\nGreen: the interval that holds {LEVEL:.0%} of new numbers" if half_widths else ""
    sheet = Sheet(2 * _SIZE, _SIZE * len(columns), f"{title}{more}{note}", names)
    for number, k in enumerate(columns):
        known = np.flatnonzero(np.isfinite(y[:, k]))
        if len(known) > _MOST_POINTS:
            known = np.random.default_rng(0).choice(known, _MOST_POINTS, replace=False)
        top = sheet.top + number * _SIZE
        half = half_widths[k] if half_widths else None
        name = shortened(names[k], _LONGEST)
        _draw_predicted(sheet, top, values[known, k], y[known, k], half, name, scores.columns[names[k]])
        _draw_errors(sheet, top, values[known, k], y[known, k], half, name)
    sheet.save(path)


def _draw_predicted(
    sheet: Sheet,
    top: int,
    values: NDArray[np.float32],
    y: NDArray[np.float32],
    half: float | None,
    name: str,
    score: ValueScore,
) -> None:
    """Predicted against true numbers, on equal axes."""
    both = Axis.around(np.concatenate([values, y]), "")
    low, high = both.low, both.high
    r2 = "" if score.r2 is None else f"R2 {score.r2:.3f}, "
    panel = Panel(
        sheet,
        (0, top, _SIZE, top + _SIZE),
        Axis(low, high, f"true {name}"),
        Axis(low, high, f"predicted {name}"),
        f"{r2}mean absolute error {score.mae:.3g}",
    )
    if half is not None:
        panel.band(band_corners(low, high, half), GREEN)
    panel.points(y, values, BLUE)
    panel.line(np.array([low, high]), np.array([low, high]), RED, width=2)


def _draw_errors(
    sheet: Sheet, top: int, values: NDArray[np.float32], y: NDArray[np.float32], half: float | None, name: str
) -> None:
    """Errors against predictions; the axis of errors is symmetric."""
    errors = values - y
    far = max(float(np.abs(errors).max()), half or 0.0) * 1.06 or 1.0
    inside = "" if half is None else f"{np.mean(np.abs(errors) <= half):.0%} inside the interval"
    panel = Panel(
        sheet,
        (_SIZE, top, 2 * _SIZE, top + _SIZE),
        Axis.around(values, f"predicted {name}"),
        Axis(-far, far, "predicted minus true"),
        inside,
    )
    ends = np.array([panel.x.low, panel.x.high])
    if half is not None:
        panel.band([(ends[0], -half), (ends[0], half), (ends[1], half), (ends[1], -half)], GREEN)
    panel.points(values, errors, BLUE)
    panel.line(ends, np.zeros(2), RED, width=2)


def band_corners(low: float, high: float, half: float) -> list[tuple[float, float]]:
    """Corners of the part of the square from `low` to `high` in which x and y differ by at most `half`."""
    half = min(half, high - low)
    return [(low, low), (low, low + half), (high - half, high), (high, high), (high, high - half), (low + half, low)]
