"""Operating points: curves over all thresholds, and the threshold that a goal asks for.

Letters: N images, M distinct probabilities.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SettingError

Double = NDArray[np.float64]

HALF = 0.5
"""The threshold where no goal decides, and of a label of which validation has no positive or no negative image."""

_SHARES = ("recall", "precision")
_EXPECTED = "f1, recall=0.95, precision=0.9 (any share above 0 and up to 1), or a probability such as 0.3"


@dataclass(frozen=True)
class Counts:
    """What is predicted at each threshold, from the highest probability to the lowest."""

    thresholds: Double
    """Distinct probabilities, descending, (M,): images with at least this one are predicted to be positive."""

    hits: Double
    """Positive images among those, (M,)."""

    taken: Double
    """Images among those, (M,)."""

    num_positive: int
    num_images: int


def counts_of(scores: NDArray[Any], y: NDArray[Any]) -> Counts:
    """Counts at each distinct score.

    Args:
        scores: (N,).
        y: 1 or 0, (N,).
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1) if len(ordered) else np.empty(0, np.int64)
    hits = np.cumsum(y[order] == 1)[ends].astype(np.float64)
    return Counts(ordered[ends], hits, (ends + 1).astype(np.float64), int((y == 1).sum()), len(y))


def roc_curve(scores: NDArray[Any], y: NDArray[Any]) -> tuple[Double, Double, Double]:
    """The ROC curve: false positive rate, true positive rate and thresholds, (M + 1,) each, from (0, 0) to (1, 1).

    The same points as those of scikit-learn's `roc_curve` with `drop_intermediate=False`.

    Args:
        scores: (N,).
        y: 1 or 0, both of which occur, (N,).
    """
    counts = counts_of(scores, y)
    num_negative = counts.num_images - counts.num_positive
    false = (counts.taken - counts.hits) / max(num_negative, 1)
    true = counts.hits / max(counts.num_positive, 1)
    first = (0.0, 0.0, np.inf)
    curve = (false, true, counts.thresholds)
    false, true, thresholds = (np.concatenate([[start], part]) for start, part in zip(first, curve, strict=True))
    return false, true, thresholds


def precision_recall_curve(scores: NDArray[Any], y: NDArray[Any]) -> tuple[Double, Double, Double]:
    """Precision, recall and thresholds, (M,) each, by ascending recall.

    The same points as those of scikit-learn's `precision_recall_curve`, without its last one, (1, 0), which no threshold has.

    Args:
        scores: (N,).
        y: 1 or 0; 1 occurs, (N,).
    """
    counts = counts_of(scores, y)
    return counts.hits / counts.taken, counts.hits / max(counts.num_positive, 1), counts.thresholds


@dataclass(frozen=True)
class Threshold:
    """A threshold that was chosen on validation."""

    value: float
    missed: float | None = None
    """The largest precision that a threshold has, where the goal asks for more; None: the goal is reached."""


@dataclass(frozen=True)
class Goal:
    """What a threshold is chosen by."""

    name: str
    """`f1`: the largest F1; `recall`: the highest threshold with this recall; `precision`: the lowest one with this precision; `at`: a given
    threshold."""

    value: float = 0.0
    """Recall, precision or threshold; 0 for `f1`."""

    @classmethod
    def parse(cls, text: "str | float") -> Self:
        """The goal in `f1`, `recall=0.95`, `precision=0.9` or `0.3`.

        Raises:
            SettingError: The text is none of these.
        """
        name, has_value, number = str(text).partition("=")
        if (name, has_value) == ("f1", ""):
            return cls("f1")
        name, number = (name, number) if has_value else ("at", name)
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        is_share = name in _SHARES and 0 < value <= 1
        if not is_share and not (name == "at" and 0 <= value <= 1):
            raise SettingError(f"--threshold is {_EXPECTED}. Received: {text}.")
        return cls(name, value)

    def __str__(self) -> str:
        if self.name == "at":
            return f"{self.value:g}"
        return self.name if self.name == "f1" else f"{self.name}={self.value:g}"

    def choose(self, probabilities: NDArray[Any], y: NDArray[Any]) -> Threshold:
        """The threshold for one class or label, halfway between two probabilities.

        It is 1/2 if there are no positive or no negative images, unless the goal is a threshold.

        Args:
            probabilities: (N,).
            y: 1, 0, or NaN where it is not known, (N,).
        """
        if self.name == "at":
            return Threshold(self.value)
        known = np.isfinite(y)
        p, true = probabilities[known].astype(np.float64), (y[known] == 1).astype(np.int64)
        if not 0 < true.sum() < len(true):
            return Threshold(HALF)
        counts = counts_of(p, true)
        best, missed = self._best(counts)
        lowest = float(counts.thresholds[best])
        below = float(counts.thresholds[best + 1]) if best + 1 < len(counts.thresholds) else 0.0
        # Outputs are float32: between two neighbouring ones there is no number.
        middle = float(np.float32((lowest + below) / 2))
        return Threshold(middle if below < middle or best + 1 == len(counts.thresholds) else lowest, missed)

    def _best(self, counts: Counts) -> tuple[int, float | None]:
        """Position of the best threshold, and the largest precision if the goal asks for more."""
        if self.name == "f1":
            return int((2 * counts.hits / (counts.taken + counts.num_positive)).argmax()), None
        if self.name == "recall":
            return int((counts.hits / counts.num_positive >= self.value).argmax()), None
        precision = counts.hits / counts.taken
        most = float(precision.max())
        # Of equal ones the last: it has the largest recall.
        position = int(np.flatnonzero(precision >= min(self.value, most))[-1])
        return position, None if most >= self.value else most
