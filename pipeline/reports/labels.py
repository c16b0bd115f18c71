"""Several labels for each image, on a page: a row for each label, with the images that it misses and those that it is wrongly given."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.reports.calibration import reliability
from pipeline.reports.classes import MAX_MISTAKES, curve_points
from pipeline.reports.prediction_table import PredictionTable
from pipeline.tasks.curves import rank_curve
from pipeline.tasks.label_scores import LabelScores
from pipeline.tasks.multilabel import Multilabel

MAX_LISTED = 36
"""Images of a label that are listed as missed, as false, and as found."""

_CURVE_POINTS = 60

_ANSWERS = np.array(["0", "1", "?"])


def mistakes(predictions: PredictionTable, task: Multilabel, split: str) -> list[int]:
    """Rows of a split with a wrong answer, those whose probability is farthest on the wrong side of its threshold first."""
    rows = predictions.rows_of(split)
    far = _wrongness(predictions, task)[rows].max(axis=1, initial=-1)
    wrong = rows[far >= 0]
    order: list[int] = wrong[np.argsort(-far[far >= 0], kind="stable")].tolist()
    return order


def lists(predictions: PredictionTable, task: Multilabel, split: str) -> list[list[int]]:
    """The rows that each label misses, is wrongly given, and finds, in the order in which the page lists them."""
    return [rows for k in range(len(task.names)) for rows in _rows_of_label(predictions, split, k).values()]


def labels_of(predictions: PredictionTable) -> list[str]:
    """The answers of each image, for the page: `10?` for three labels."""
    return _as_texts(predictions.labels)


def predicted_of(predictions: PredictionTable) -> dict[str, Any]:
    """The predicted answers of each image, for the page."""
    return {"predicted": _as_texts(predictions.predicted)}


def describe(scores: LabelScores, predictions: PredictionTable, task: Multilabel, split: str) -> dict[str, Any]:
    """What the page shows of one split."""
    rows = predictions.rows_of(split)
    return {
        "labels": [_describe_label(scores, predictions, task, split, k) for k in range(len(task.names))],
        "listed": len(rows),
        "reliability": _reliability(predictions, rows),
        "mistakes": mistakes(predictions, task, split)[:MAX_MISTAKES],
    }


def _describe_label(
    scores: LabelScores, predictions: PredictionTable, task: Multilabel, split: str, k: int
) -> dict[str, Any]:
    """Scores, curve and images of one label; each image with the probability of the label."""
    score = scores.labels[task.names[k]]
    found = _rows_of_label(predictions, split, k)
    p = predictions.probabilities
    listed = {
        what: {
            "count": len(rows),
            "rows": [[row, None if p is None else round(float(p[row, k]), 4)] for row in rows[:MAX_LISTED]],
        }
        for what, rows in found.items()
    }
    return {
        "images": score.images,
        "positive": score.positive,
        "threshold": score.threshold,
        "precision": score.precision,
        "recall": score.recall,
        "f1": score.f1,
        "average_precision": score.average_precision,
        "roc_auc": score.roc_auc,
        "points": _points(predictions, split, k),
        **listed,
    }


def _points(predictions: PredictionTable, split: str, k: int) -> list[list[float]]:
    """The precision-recall curve of a label; none without probabilities or without a positive image."""
    rows = predictions.rows_of(split)
    y = predictions.labels[rows, k]
    if predictions.probabilities is None or not (y == 1).any():
        return []
    known = np.isfinite(y)
    curve = rank_curve(predictions.probabilities[rows[known], k], y[known] == 1)
    return curve_points(curve.thinned(_CURVE_POINTS))


def _rows_of_label(predictions: PredictionTable, split: str, k: int) -> dict[str, list[int]]:
    """Missed and found images, the least probable first; false ones, the most probable first."""
    rows = predictions.rows_of(split)
    true, given = predictions.labels[rows, k], predictions.predicted[rows, k] == 1
    p = np.zeros(len(rows)) if predictions.probabilities is None else predictions.probabilities[rows, k]
    chosen = {"missed": (true == 1) & ~given, "false": (true == 0) & given, "found": (true == 1) & given}
    return {
        what: rows[which][np.argsort(p[which] * (-1 if what == "false" else 1), kind="stable")].tolist()
        for what, which in chosen.items()
    }


def _wrongness(predictions: PredictionTable, task: Multilabel) -> NDArray[np.float64]:
    """Distance of each probability from its threshold where the answer is wrong, otherwise -1, (N, L)."""
    wrong = np.isfinite(predictions.labels) & (predictions.labels != predictions.predicted)
    if predictions.probabilities is None:
        return np.where(wrong, 0.0, -1.0)
    return np.where(wrong, np.abs(predictions.probabilities - task.cuts), -1.0).astype(np.float64)


def _reliability(predictions: PredictionTable, rows: NDArray[np.int64]) -> dict[str, Any] | None:
    """Of all known answers together, each with the probability of the label; None without probabilities."""
    if predictions.probabilities is None:
        return None
    p, y = predictions.probabilities[rows].astype(np.float64), predictions.labels[rows]
    known = np.isfinite(y)
    return reliability(p[known], y[known] == 1)


def _as_texts(answers: NDArray[np.float32]) -> list[str]:
    letters = _ANSWERS[np.where(np.isnan(answers), 2, np.nan_to_num(answers)).astype(int)]
    return ["".join(line) for line in letters]
