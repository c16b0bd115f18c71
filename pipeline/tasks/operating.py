"""Operating points: the threshold that a goal asks for.

Letters: N images.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SettingError
from pipeline.tasks.curves import RankCurve, rank_curve

HALF = 0.5
"""The threshold where no goal decides, and of a label of which validation has no positive or no negative image."""

_SHARES = ("recall", "precision")
_EXPECTED = "f1, recall=0.95, precision=0.9 (any share above 0 and up to 1), or a probability such as 0.3"


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
        p, true = probabilities[known], y[known] == 1
        if not 0 < true.sum() < len(true):
            return Threshold(HALF)
        curve = rank_curve(p, true)
        best, missed = self._best(curve)
        lowest = float(curve.thresholds[best])
        below = float(curve.thresholds[best + 1]) if best + 1 < len(curve.thresholds) else 0.0
        # Outputs are float32: between two neighbouring ones there is no number.
        middle = float(np.float32((lowest + below) / 2))
        return Threshold(middle if below < middle or best + 1 == len(curve.thresholds) else lowest, missed)

    def _best(self, curve: RankCurve) -> tuple[int, float | None]:
        """Position of the best threshold, and the largest precision if the goal asks for more."""
        if self.name == "f1":
            return int((2 * curve.hits / (curve.found + curve.positive)).argmax()), None
        if self.name == "recall":
            return int((curve.recall >= self.value).argmax()), None
        most = float(curve.precision.max())
        # Of equal ones the last: it has the largest recall.
        position = int(np.flatnonzero(curve.precision >= min(self.value, most))[-1])
        return position, None if most >= self.value else most
