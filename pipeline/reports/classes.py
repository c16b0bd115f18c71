"""One class for each image, on a page: the confusion matrix with its images, and the curves of two classes."""

from typing import Any

import numpy as np

from pipeline.reports.calibration import reliability
from pipeline.reports.prediction_table import PredictionTable
from pipeline.tasks.class_scores import ClassScores
from pipeline.tasks.classification import Classification
from pipeline.tasks.curves import RankCurve, rank_curve
from pipeline.tasks.label_scores import average_precision

MAX_MISTAKES = 24

_CURVE_POINTS = 150


def mistakes(predictions: PredictionTable, task: Classification, split: str) -> list[int]:
    """Rows of a split with a wrong prediction, the most confident first."""
    del task
    rows = predictions.rows_of(split)
    wrong = rows[~predictions.is_right[rows]]
    order: list[int] = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")].tolist()
    return order


def lists(predictions: PredictionTable, task: Classification, split: str) -> list[list[int]]:
    """Rows of each cell of the confusion matrix that is not empty, in the order in which the page lists them.

    Wrong predictions start with the most confident, right ones with the least confident: these are the most informative.
    """
    del task
    rows_of: dict[tuple[int, int], list[int]] = {}
    for row in predictions.rows_of(split).tolist():
        rows_of.setdefault((int(predictions.labels[row]), int(predictions.predicted[row])), []).append(row)
    return [
        sorted(rows, key=lambda row: predictions.confidence[row] * (1 if label == predicted else -1))
        for (label, predicted), rows in rows_of.items()
    ]


def labels_of(predictions: PredictionTable) -> list[int]:
    """Class numbers, for the page."""
    numbers: list[int] = predictions.labels.tolist()
    return numbers


def predicted_of(predictions: PredictionTable) -> dict[str, Any]:
    """Class numbers and confidences, for the page."""
    # In full, because the page sorts by the confidence.
    return {"predicted": predictions.predicted.tolist(), "confidence": predictions.confidence.tolist()}


def describe(scores: ClassScores, predictions: PredictionTable, task: Classification, split: str) -> dict[str, Any]:
    """What the page shows of one split."""
    rows = predictions.rows_of(split)
    # With many classes most of the K x K cells are 0.
    counts = [[i, j, n] for i, line in enumerate(scores.confusion) for j, n in enumerate(line) if n]
    return {
        "confusion": counts,
        "recall": list(scores.recall.values()),
        "precision": list(scores.precision.values()),
        "listed": len(rows),
        "reliability": reliability(predictions.confidence[rows], predictions.is_right[rows]),
        "mistakes": mistakes(predictions, task, split)[:MAX_MISTAKES],
        **_decision(predictions, task, split),
    }


def _decision(predictions: PredictionTable, task: Classification, split: str) -> dict[str, Any]:
    """Of two classes that both occur: the curves of all thresholds, and the one in use."""
    rows = predictions.rows_of(split)
    y = predictions.labels[rows] == 1
    if len(task.names) != 2 or not 0 < y.sum() < len(y):
        return {}
    confidence = predictions.confidence[rows]
    second = np.where(predictions.predicted[rows] == 1, confidence, 1 - confidence)
    curve, cut = rank_curve(second, y), 0.5 if task.threshold is None else task.threshold
    at = curve.at(cut)
    return {
        "decision": {
            "threshold": cut,
            "at": curve_points(curve)[at - 1] if at else None,
            "average_precision": float(average_precision(second, y)[0]),
            "points": curve_points(curve.thinned(_CURVE_POINTS)),
        }
    }


def curve_points(curve: RankCurve) -> list[list[float]]:
    """[threshold, recall, precision, false positive rate] of each point."""
    columns = (curve.thresholds, curve.recall, curve.precision, curve.fall_out)
    points: list[list[float]] = np.round(np.stack(columns, axis=1), 4).tolist()
    return points
