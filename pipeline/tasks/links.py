"""From the sums of a head to its outputs, and temperature scaling.

Letters: M images, K outputs.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# If all images are classified correctly, a higher temperature factor always lowers the loss: the end of the interval is taken.
_LOG_TEMPERATURES = (-5.0, 7.0)

LINKS = ("softmax", "sigmoid", "identity")


def apply_link(link: str, scores: NDArray[np.floating]) -> NDArray[np.float32]:
    """Sums (M, K) as outputs, float32 (M, K); `link` is one of `LINKS`."""
    if link == "softmax":
        return softmax(scores)
    return sigmoid(scores) if link == "sigmoid" else scores.astype(np.float32)


def softmax(scores: NDArray[np.floating]) -> NDArray[np.float32]:
    """Softmax of each row, (M, K) to (M, K)."""
    with np.errstate(under="ignore"):  # a program may have made it an error; here it is 0
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        result: NDArray[np.float32] = (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def sigmoid(scores: NDArray[np.floating]) -> NDArray[np.float32]:
    """1 / (1 + exp(-s)) of each sum."""
    with np.errstate(over="ignore", under="ignore"):
        result: NDArray[np.float32] = (1 / (1 + np.exp(-scores.astype(np.float64)))).astype(np.float32)
    return result


def temperature_of(link: str, scores: NDArray[np.floating], y: NDArray[Any]) -> float:
    """Temperature scaling (Guo et al. 2017, arXiv:1706.04599): the factor t with the smallest loss on these images; 1 for numbers.

    The target of one of M answers is (M + 1) / (M + 2) for the true class or label, as in Platt (1999), section 2.2, and the rest in
    equal shares for the others: if all of them are right, plain targets would make every probability 1.

    The loss is convex in t. Its slope is the mean of E[score] under the probabilities, minus that under the targets. The zero of the
    slope is found by bisection of log t.

    Args:
        link: One of `LINKS`.
        scores: Sums of the head, (M, K).
        y: Class numbers (M,), or labels (M, K), NaN where they are not known.
    """
    if link == "identity":
        return 1.0
    scores = scores.astype(np.float64)
    if link == "sigmoid":  # one answer for each label: a choice between the sums 0 and s
        known = np.isfinite(y)
        s, y = scores[known], y[known].astype(np.int64)
        scores = np.stack([np.zeros_like(s), s], axis=1)
        if not len(y):
            return 1.0
    own, total, rest = scores[np.arange(len(y)), y].mean(), scores.sum(axis=1).mean(), 1 / (len(y) + 2)
    true = (1 - rest) * own + rest * (total - own) / max(scores.shape[1] - 1, 1)
    low, high = _LOG_TEMPERATURES
    for _ in range(40):
        middle = (low + high) / 2
        slope = (softmax(np.exp(middle) * scores) * scores).sum(axis=1).mean() - true
        low, high = (middle, high) if slope < 0 else (low, middle)
    return float(np.exp(low))
