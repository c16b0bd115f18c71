"""ROC and precision-recall curves of one class or label.

Letters: n images whose answer is known, T distinct scores.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Double = NDArray[np.float64]


@dataclass(frozen=True)
class RankCurve:
    """What each threshold would find, the highest threshold first. Equal scores are found together."""

    thresholds: Double
    """The distinct scores, descending, (T,)."""

    hits: NDArray[np.int64]
    """Positive images with this score or a higher one, (T,)."""

    found: NDArray[np.int64]
    """All images with this score or a higher one, (T,)."""

    positive: int
    """Number of positive images."""

    total: int
    """n."""

    @property
    def recall(self) -> Double:
        """Share of the positive images that are found, (T,)."""
        return self.hits / max(self.positive, 1)

    @property
    def precision(self) -> Double:
        """Share of what is found that is positive, (T,)."""
        return self.hits / self.found

    @property
    def fall_out(self) -> Double:
        """Share of the negative images that are found (false positive rate), (T,)."""
        return (self.found - self.hits) / max(self.total - self.positive, 1)

    def at(self, threshold: float) -> int:
        """Number of thresholds that are as high as this one or higher; less 1 it is the index of the curve's point there."""
        return int((self.thresholds >= threshold).sum())

    def thinned(self, most: int) -> "RankCurve":
        """At most about `most` of its points, the first and the last among them: those that are evenly spaced in rank."""
        if len(self.thresholds) <= most:
            return self
        wanted = np.linspace(self.found[0], self.found[-1], most)
        kept = np.unique(np.searchsorted(self.found, wanted))
        return RankCurve(self.thresholds[kept], self.hits[kept], self.found[kept], self.positive, self.total)


def rank_curve(scores: NDArray[Any], y: NDArray[np.bool_]) -> RankCurve:
    """The curve of these scores.

    Args:
        scores: Larger is more likely positive, (n,), n >= 1.
        y: Whether each image is positive, (n,).
    """
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order].astype(np.float64)
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    return RankCurve(ordered[ends], np.cumsum(y[order])[ends], ends + 1, int(y.sum()), len(y))
