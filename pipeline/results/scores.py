"""Scores of predictions, with an interval on the accuracy."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_PROBABILITY = 1e-7
"""Probabilities are clipped to it in a loss, as Keras does: a certain error costs 16.1 nats, and not infinitely much."""

_Z95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


def score(probabilities: NDArray[np.float32], y: NDArray[np.int64], classes: Sequence[str]) -> dict[str, Any]:
    """All scores of one split, as plain values.

    Args:
        probabilities: (N, K), rows sum to 1.
        y: Class numbers, (N,).
        classes: K names.

    Returns:
        accuracy; ci95 [low, high]; loss (cross-entropy in nats); n; macro_f1; recall and precision by
        class; confusion, K x K, true classes in rows; roc_auc for two classes; top5 above five.
    """
    from sklearn import metrics

    numbers = np.arange(len(classes))
    predicted = probabilities.argmax(axis=1)
    correct = int((predicted == y).sum())
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(y, predicted, labels=numbers, zero_division=0)
    picked = np.clip(probabilities[np.arange(len(y)), y].astype(np.float64), LEAST_PROBABILITY, 1)
    scores: dict[str, Any] = {
        "accuracy": correct / len(y),
        "ci95": list(wilson_interval(correct, len(y))),
        "loss": 0.0 - float(np.log(picked).mean()),  # and not -0.0 where all is certain
        "n": len(y),
        "macro_f1": float(f1.mean()),
        "recall": dict(zip(classes, recall.tolist(), strict=True)),
        "precision": dict(zip(classes, precision.tolist(), strict=True)),
        "confusion": metrics.confusion_matrix(y, predicted, labels=numbers).tolist(),
    }
    if len(classes) == 2 and 0 < y.sum() < len(y):
        scores["roc_auc"] = float(metrics.roc_auc_score(y, probabilities[:, 1]))
    if len(classes) > 5:
        scores["top5"] = float(metrics.top_k_accuracy_score(y, probabilities, k=5, labels=numbers))
    return scores


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); unlike the normal one it stays in [0, 1] and works near 1."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = correct / total, _Z95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    # Exact at the ends, where rounding would leave 3e-17 for 0 of 12.
    return max(0.0, middle - half) if correct else 0.0, min(1.0, middle + half) if correct < total else 1.0
