"""Calibration: whether a head is right as often as its confidence says."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.scores import wilson_interval

NUM_BINS = 10


def reliability(confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> dict[str, Any]:
    """The reliability diagram: accuracy against confidence, in bins of equal width, and the expected calibration error (ECE).

    The ECE is the sum over the bins b of n_b / N |accuracy_b - confidence_b|: Guo, Pleiss, Sun &
    Weinberger (2017), On Calibration of Modern Neural Networks, equation 3; after Naeini, Cooper & Hauskrecht (2015).

    Args:
        confidence: Probability of the predicted class, (N,), in [0, 1].
        is_right: Whether the prediction is right, (N,).

    Returns:
        {ece, bins: those with images, {low, high, n, confidence, accuracy, ci95}}.
    """
    # A confidence of exactly 1 belongs to the last bin.
    number = np.minimum((confidence * NUM_BINS).astype(int), NUM_BINS - 1)
    bins = [_bin(b, confidence[number == b], is_right[number == b]) for b in np.unique(number)]
    error = sum(entry["n"] * abs(entry["accuracy"] - entry["confidence"]) for entry in bins) / max(1, len(confidence))
    return {"ece": error, "bins": bins}


def _bin(number: int, confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> dict[str, Any]:
    return {
        "low": float(number / NUM_BINS),
        "high": float((number + 1) / NUM_BINS),
        "n": len(confidence),
        "confidence": float(confidence.mean()),
        "accuracy": float(is_right.mean()),
        "ci95": list(wilson_interval(int(is_right.sum()), len(is_right))),
    }
