"""One problem of a linear head, learnt block by block."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.targets import Double, Problem


@dataclass
class Learner:
    """An estimator of scikit-learn with the answers of its problem."""

    problem: Problem
    answers: NDArray[Any]
    """Of all images, (N,); of any value where `known` is False."""

    known: NDArray[np.bool_]
    """(N,)"""

    estimator: Any

    @classmethod
    def of(cls, problem: Problem, num_images: int, estimator: Any, value: float) -> Self:
        """A learner with this regularisation.

        Args:
            problem: What it learns.
            num_images: N.
            estimator: A new one.
            value: Its `alpha`.
        """
        answers, known = np.zeros(num_images, problem.y.dtype), np.zeros(num_images, bool)
        answers[problem.rows], known[problem.rows] = problem.y, True
        # The blocks are already shuffled, and come from shards in random order.
        return cls(problem, answers, known, estimator.set_params(alpha=value, shuffle=False))

    def learn(self, X: NDArray[np.float32], positions: NDArray[np.int64], weights: Double | None) -> None:
        """Learn from some images.

        Args:
            X: Their rows, (n, D).
            positions: Of these images among all, (n,).
            weights: Of all images, (N,); None: all the same.
        """
        known = self.known[positions]
        if not known.any() or self.problem.is_constant:
            return
        here = positions[known]
        options: dict[str, Any] = {} if weights is None else {"sample_weight": weights[here]}
        if self.answers.dtype.kind == "i":
            options["classes"] = np.unique(self.problem.y)
        self.estimator.partial_fit(X[known], self.answers[here], **options)

    def solution(self, num_features: int) -> tuple[Double, Double]:
        """Coefficients (C, D) and biases (C,), in the units of the data."""
        if self.problem.is_constant:
            return self.problem.constant_solution(num_features)
        return self.problem.in_units(self.estimator.coef_, self.estimator.intercept_)
