"""Logistic regression for all values of C: the problem, Newton's method, and the code.

It is scikit-learn's `LogisticRegression`. On a warm store, importing scikit-learn takes more time than all the fits.

Letters
    N images, r features, K columns of scores (one for two classes, otherwise one per class).
    X (N, r): features. Y (N, K): 1 for an image's class and 0 for the others.
    W (r, K), b (K,): the solution. P (N, K): the probabilities of an image x, softmax(x W + b). Two classes have the one column of
    class 1; the score of class 0 is 0.
    C > 0: the regularisation.

Problem
    Minimise  -1/N sum_n log p(class of n) + 1/(2 C N) |W|^2  over W and b. The bias is not penalised. The problem is convex.

Newton's method
    The gradient is X'(P - Y) / N + W / (C N) for W, and the column means of P - Y for b.
    The product of the second derivatives and a step (V, v) is X'T / N + V / (C N) for W, and the column means of T for b, with
    S = X V + v and T = P * (S - row sums of P * S).
    Each step solves  second derivatives * step = -gradient  by conjugate gradients, only as exactly as the gradient is small, and is
    halved until the loss falls enough (Nocedal & Wright 2006, Numerical Optimization, algorithm 7.1).

    It ends when no entry of the gradient is larger than 1e-5; scikit-learn's default is 1e-4. Products are in float32.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.linear.temperature import softmax

Array = NDArray[np.float32]
Double = NDArray[np.float64]
Labels = NDArray[np.int64]

_TOLERANCE = 1e-5
# Weak regularisation on separable data needs many steps; the fit at these limits is used.
_NEWTON_STEPS, _CONJUGATE_STEPS = 50, 200
_ENOUGH, _SMALLEST_STEP = 1e-4, 1e-6
_FEW_COLUMNS = 8


@dataclass(frozen=True)
class LogisticFit:
    """The solution for one C."""

    weights: Double
    """W, (r, K)"""
    bias: Double
    """b, (K,)"""


def fit_logistic(X: Array, y: Labels, num_classes: int, values: Sequence[float]) -> Iterator[LogisticFit]:
    """The solution for each C, in their order; each starts from the one before.

    Args:
        X: Features, (N, r).
        y: Class numbers, (N,).
        num_classes: Number of classes.
        values: The values of C.
    """
    problem = _Problem(X, y, num_classes)
    point = np.zeros((X.shape[1] + 1, problem.Y.shape[1]))
    for C in values:
        point = problem.minimise(point, 1 / (C * len(X)))
        yield LogisticFit(point[:-1], point[-1])


class _Problem:
    """Images and labels. A point is W with b as its last row, (r + 1, K)."""

    def __init__(self, X: Array, y: Labels, num_classes: int) -> None:
        self.X = np.ascontiguousarray(X, np.float32)
        Y = (y[:, None] == np.arange(num_classes)).astype(np.float32)
        self.Y: Array = Y[:, 1:] if num_classes == 2 else Y

    def minimise(self, point: Double, penalty: float) -> Double:
        """Newton's method from a point; the penalty is 1 / (C N)."""
        scores = self._scores(point)
        for _ in range(_NEWTON_STEPS):
            P = _probabilities(scores)
            gradient = self._back(P - self.Y) + penalty * _without_bias(point)
            if np.abs(gradient).max() <= _TOLERANCE:
                break
            step = self._newton_step(P, gradient, penalty)
            change = self._scores(step)
            size = self._step_size(point, scores, step, change, gradient, penalty)
            if not size:
                break
            point, scores = point + size * step, scores + np.float32(size) * change
        return point

    def _newton_step(self, P: Array, gradient: Double, penalty: float) -> Double:
        """The step, (r + 1, K), by conjugate gradients."""
        step = np.zeros_like(gradient)
        residual = direction = -gradient
        squared = float((residual**2).sum())
        enough = squared * min(0.25, 10 * math.sqrt(squared))
        for _ in range(_CONJUGATE_STEPS):
            T = P * self._scores(direction)
            T -= P * T.sum(axis=1, keepdims=True)
            curved = self._back(T) + penalty * _without_bias(direction)
            size = squared / float((direction * curved).sum())
            step += size * direction
            residual = residual - size * curved
            before, squared = squared, float((residual**2).sum())
            if squared <= enough:
                break
            direction = residual + squared / before * direction
        return step

    def _step_size(
        self, point: Double, scores: Array, step: Double, change: Array, gradient: Double, penalty: float
    ) -> float:
        """The largest of 1, 1/2, 1/4 ... that makes the loss fall enough; 0 if rounding errors are larger than any gain."""

        def loss(size: float) -> float:
            W = _without_bias(point + size * step)
            return self._log_loss(scores + np.float32(size) * change) + penalty / 2 * float((W**2).sum())

        start, slope, size = loss(0.0), float((gradient * step).sum()), 1.0
        while size > _SMALLEST_STEP:
            if loss(size) <= start + _ENOUGH * size * slope:
                return size
            size /= 2
        return 0.0

    def _scores(self, point: Double) -> Array:
        """X W + b, (N, K)."""
        single = point.astype(np.float32)
        scores: Array = _product(self.X, single[:-1]) + single[-1]
        return scores

    def _back(self, T: Array) -> Double:
        """X'T / N and, as the last row, the column means of T: (r + 1, K)."""
        return np.concatenate([_product(self.X.T, T), T.sum(axis=0, keepdims=True)]).astype(np.float64) / len(T)

    def _log_loss(self, scores: Array) -> float:
        """The mean of -log p(class of n)."""
        own = (self.Y * scores).sum(axis=1, dtype=np.float64)
        if scores.shape[1] == 1:
            return float((np.logaddexp(0, scores[:, 0], dtype=np.float64) - own).mean())
        top = scores.max(axis=1)
        return float((np.log(np.exp(scores - top[:, None]).sum(axis=1, dtype=np.float64)) + top - own).mean())


def _product(A: Array, B: Array) -> Array:
    """A B. BLAS takes two to three times as long for a few columns together as for one after the other."""
    if B.shape[1] < _FEW_COLUMNS:
        return np.stack([A @ column for column in B.T], axis=1)
    product: Array = A @ B
    return product


def _probabilities(scores: Array) -> Array:
    """P of scores, both (N, K)."""
    if scores.shape[1] == 1:
        zero = np.zeros_like(scores)
        return softmax(np.concatenate([zero, scores], axis=1))[:, 1:]
    return softmax(scores)


def _without_bias(point: Double) -> Double:
    """W above a row of zeros: what is penalised."""
    W = point.copy()
    W[-1] = 0
    return W
