"""What heads learn and what they give, and the fits that a linear head is made of.

Letters: N images, K names, C columns of least squares, D features.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Targets = NDArray[Any]
"""What heads learn: class numbers int64 (N,); or float32 (N, K), 1 and 0 for labels, or numbers; NaN where it is not known."""

Outputs = NDArray[np.float32]
"""What heads give, float32 (N, K): probabilities of the classes, which sum to 1; of each label; or numbers."""

Double = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """One fit of a linear head: all classes at once, one label, or one column of numbers."""

    rows: NDArray[np.int64]
    """Positions of the images whose answer is known."""

    y: Targets
    """Class numbers int64 (n,), or numbers float64 (n,) of mean 0 and deviation 1."""

    centre: float = 0.0
    """What is added to a solution times `spread`, to have the units of the data."""

    spread: float = 1.0

    @property
    def is_constant(self) -> bool:
        """Whether all answers are equal, which is possible for a label."""
        return self.y.dtype.kind == "i" and (not len(self.y) or bool((self.y == self.y[0]).all()))

    def constant_solution(self, num_features: int) -> tuple[Double, Double]:
        """Coefficients (1, D) of 0, and the log-odds of a label that all n images have, or none: (n + 1/2) / (n + 1), or 1/2 / (n + 1)."""
        share = (float(self.y.sum()) + 0.5) / (len(self.y) + 1)
        return np.zeros((1, num_features)), np.array([math.log(share / (1 - share))])

    def in_units(self, coefficients: NDArray[Any], bias: NDArray[Any]) -> tuple[Double, Double]:
        """Coefficients (C, D) and biases (C,) of a solution, in the units of the data."""
        return np.atleast_2d(coefficients) * self.spread, np.atleast_1d(bias) * self.spread + self.centre


@dataclass(frozen=True)
class Scaling:
    """Means and deviations of the columns of numbers, which are fitted with mean 0 and deviation 1."""

    centre: tuple[float, ...]
    spread: tuple[float, ...]
