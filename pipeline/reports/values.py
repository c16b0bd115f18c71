"""Numbers for each image, on a page: predicted against true ones with the images behind the points, and the largest errors."""

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.reports.classes import MAX_MISTAKES
from pipeline.reports.prediction_table import PredictionTable
from pipeline.tasks.regression import LEVEL, Regression
from pipeline.tasks.value_scores import ValueScores

MAX_POINTS = 1500
"""Points of one chart: those with the largest errors, and others at random."""

Numbers = NDArray[np.float32]


def mistakes(predictions: PredictionTable, task: Regression, split: str) -> list[int]:
    """Rows of a split with a known number, the largest errors first."""
    del task
    rows = predictions.rows_of(split)
    known = rows[np.isfinite(predictions.labels[rows]).any(axis=1)]
    order: list[int] = known[np.argsort(-_errors(predictions)[known], kind="stable")].tolist()
    return order


def lists(predictions: PredictionTable, task: Regression, split: str) -> list[list[int]]:
    """The rows of the points of the chart."""
    return [_points(predictions, task, split)]


def labels_of(predictions: PredictionTable) -> list[list[float | None]]:
    """The numbers of each image, for the page; None where one is not known."""
    return _rounded(predictions.labels)


def predicted_of(predictions: PredictionTable) -> dict[str, Any]:
    """The predictions for each image, for the page."""
    return {"predicted": _rounded(predictions.predicted)}


def describe(scores: ValueScores, predictions: PredictionTable, task: Regression, split: str) -> dict[str, Any]:
    """What the page shows of one split."""
    return {
        "columns": [None if (score := scores.columns.get(name)) is None else asdict(score) for name in task.names],
        "half_widths": list(task.half_widths),
        "level": LEVEL,
        "listed": len(predictions.rows_of(split)),
        "mistakes": mistakes(predictions, task, split)[:MAX_MISTAKES],
        "points": _points(predictions, task, split),
    }


def _points(predictions: PredictionTable, task: Regression, split: str) -> list[int]:
    """Rows with a known number, at most `MAX_POINTS`."""
    order = np.array(mistakes(predictions, task, split), np.int64)
    others = order[MAX_MISTAKES:]
    if len(order) > MAX_POINTS:
        others = np.random.default_rng(0).choice(others, MAX_POINTS - MAX_MISTAKES, replace=False)
    chosen: list[int] = np.concatenate([order[:MAX_MISTAKES], others]).tolist()
    return chosen


def _errors(predictions: PredictionTable) -> NDArray[np.float64]:
    """The largest error of each image among its columns, in deviations of their numbers, (N,)."""
    labels = predictions.labels.astype(np.float64)
    spread = [float(column[np.isfinite(column)].std()) if np.isfinite(column).any() else 1.0 for column in labels.T]
    errors = np.abs(predictions.predicted - labels) / np.array([each or 1.0 for each in spread])
    largest: NDArray[np.float64] = np.nan_to_num(errors).max(axis=1, initial=0)
    return largest


def _rounded(numbers: Numbers) -> list[list[float | None]]:
    return [[float(f"{value:.6g}") if math.isfinite(value) else None for value in line] for line in numbers.tolist()]
