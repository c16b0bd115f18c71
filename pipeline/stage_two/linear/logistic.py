"""Logistic regression for all values of C: the problem, Newton's method, and the code.

It is scikit-learn's `LogisticRegression`. On a warm store, importing scikit-learn takes more time than all the fits.

Letters
    N images, r features, K columns of scores: one for two classes, one per class of more, one per label.
    X (N, r): features. Y (N, K): 1 for an image's class or label and 0 for the others.
    A (N, K) or (N, 1): how much each answer counts: the weight of the image; 0 where a label is not known. a (K,): its column sums.
    W (r, K), b (K,): the solution. P (N, K): the probabilities of an image x. C > 0: the regularisation.

Problem
    Three and more classes: P is softmax(x W + b), and all columns are one problem:
    minimise  1/a sum_n A_n -log p(class of n) + 1/(2 C a) |W|^2  over W and b.
    Labels: P is sigmoid(x W + b), and each column k is a problem of its own: its loss is that of label k, with its own a_k, W_k, b_k.
    All are solved together, because one product with X then serves all of them. Two classes are one label: class 1.
    The bias is not penalised. The problems are convex.

Newton's method
    The gradient is X'(A * (P - Y)) / a + W / (C a) for W, and the column sums of A * (P - Y) / a for b.
    The product of the second derivatives and a step (V, v) is X'(A * T) / a + V / (C a) for W, and the column sums of A * T / a for b,
    with S = X V + v and T = P * (S - row sums of P * S) for classes, T = P * (1 - P) * S for labels.
    Each step solves  second derivatives * step = -gradient  by conjugate gradients, only as exactly as the gradient is small, and is
    halved until the loss falls enough (Nocedal & Wright 2006, Numerical Optimization, algorithm 7.1). Where each column is a problem
    of its own, so are its products, step sizes and ends; columns that are solved take no further part.

    It ends when no entry of the gradient is larger than 1e-5; scikit-learn's default is 1e-4. Products are in float32.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.links import sigmoid, softmax

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


def fit_logistic(
    X: Array, y: Labels, num_classes: int, values: Sequence[float], weights: Double | None = None
) -> Iterator[LogisticFit]:
    """The solution for each C, in their order; each starts from the one before.

    Args:
        X: Features, (N, r).
        y: Class numbers, (N,).
        num_classes: Number of classes.
        values: The values of C.
        weights: Of each image, (N,); None: 1.
    """
    Y = (y[:, None] == np.arange(num_classes)).astype(np.float32)
    A = _answer_weights(np.ones((len(y), 1)), weights)
    return _Problem(X, Y[:, 1:] if num_classes == 2 else Y, A, is_softmax=num_classes != 2).path(values)


def fit_labels(X: Array, y: Array, values: Sequence[float], weights: Double | None = None) -> Iterator[LogisticFit]:
    """One logistic regression for each label, for each C, as in `fit_logistic`.

    Args:
        X: Features, (N, r).
        y: 1 and 0, NaN where it is not known, (N, K). Each label has images of both kinds.
        values: The values of C.
        weights: Of each image, (N,); None: 1.
    """
    A = _answer_weights(np.isfinite(y), weights)
    return _Problem(X, np.nan_to_num(y).astype(np.float32), A, is_softmax=False).path(values)


def _answer_weights(known: NDArray[np.generic], weights: Double | None) -> Array:
    """A, (N, K), of answers that are known, (N, K)."""
    return known.astype(np.float32) * (1 if weights is None else weights[:, None].astype(np.float32))


class _Problem:
    """Images with their answers. A point is W with b as its last row, (r + 1, K)."""

    def __init__(self, X: Array, Y: Array, A: Array, *, is_softmax: bool) -> None:
        self.X, self.Y, self.A = np.ascontiguousarray(X, np.float32), Y, A
        self.is_softmax = is_softmax
        self.totals: Double = A.sum(axis=0, dtype=np.float64)

    def path(self, values: Sequence[float]) -> Iterator[LogisticFit]:
        """The solution for each C, in their order."""
        point = np.zeros((self.X.shape[1] + 1, self.Y.shape[1]))
        for C in values:
            point = self._minimise(point, 1 / (C * self.totals))
            yield LogisticFit(point[:-1], point[-1])

    def _columns(self, rows: NDArray[np.int64]) -> "_Problem":
        """The problem of these labels."""
        if self.is_softmax or len(rows) == self.Y.shape[1]:
            return self
        A = self.A if self.A.shape[1] == 1 else self.A[:, rows]
        return _Problem(self.X, self.Y[:, rows], A, is_softmax=False)

    def _minimise(self, point: Double, penalty: Double) -> Double:
        """Newton's method from a point; the penalty is 1 / (C a), (K,)."""
        point, open_ = point.copy(), np.arange(self.Y.shape[1])
        penalty = np.broadcast_to(penalty, (len(open_),))
        part, scores = self, self.scores(point)
        for _ in range(_NEWTON_STEPS):
            P = part.probabilities(scores)
            own = penalty[open_]
            gradient = part.back(P - part.Y) + own * _without_bias(point[:, open_])
            wanting = self._any(np.abs(gradient).max(axis=0) > _TOLERANCE)
            if not wanting.any():
                break
            if not wanting.all():
                open_, P, scores, gradient = open_[wanting], P[:, wanting], scores[:, wanting], gradient[:, wanting]
                part, own = self._columns(open_), penalty[open_]
            step = part.newton_step(P, gradient, own)
            change = part.scores(step)
            size = part.step_size(point[:, open_], scores, step, change, gradient, own)
            if not size.any():
                break
            point[:, open_] += size * step
            scores = scores + size.astype(np.float32) * change
        return point

    def newton_step(self, P: Array, gradient: Double, penalty: Double) -> Double:
        """The step, (r + 1, K), by conjugate gradients."""
        step = np.zeros_like(gradient)
        residual = direction = -gradient
        squared = self._dot(residual, residual)
        enough = squared * np.minimum(0.25, 10 * np.sqrt(squared))
        for _ in range(_CONJUGATE_STEPS):
            curved = self.back(self._curve(P, self.scores(direction))) + penalty * _without_bias(direction)
            size = _ratio(squared, self._dot(direction, curved))
            step += size * direction
            residual = residual - size * curved
            before, squared = squared, self._dot(residual, residual)
            if (squared <= enough).all():
                break
            # A problem that is solved has no direction any more.
            direction = np.where(squared > enough, residual + _ratio(squared, before) * direction, 0)
            squared = np.where(squared > enough, squared, 0)
        return step

    def _curve(self, P: Array, S: Array) -> Array:
        """T of S, both (N, K)."""
        if not self.is_softmax:
            return P * (1 - P) * S
        T = P * S
        T -= P * T.sum(axis=1, keepdims=True)
        return T

    def step_size(
        self, point: Double, scores: Array, step: Double, change: Array, gradient: Double, penalty: Double
    ) -> Double:
        """The largest of 1, 1/2, 1/4 ... that makes each loss fall enough, (K,); 0 if rounding errors are larger than any gain."""

        def loss(size: Double) -> Double:
            W = _without_bias(point + size * step)
            return self._log_loss(scores + size.astype(np.float32) * change) + self._dot(W, W) * penalty / 2

        size = np.ones(len(penalty))
        start, slope = loss(0 * size), self._dot(gradient, step)
        while True:
            too_large = (size > 0) & ~(loss(size) <= start + _ENOUGH * size * slope)
            if not too_large.any():
                return size
            size = np.where(too_large, size / 2, size)
            size[size < _SMALLEST_STEP] = 0

    def _any(self, wanting: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Columns (K,) that are not solved: of classes, all or none."""
        return np.full_like(wanting, wanting.any()) if self.is_softmax else wanting

    def _dot(self, first: Double, second: Double) -> Double:
        """The product of each problem's columns, (K,); of classes, the sum of all."""
        products: Double = np.einsum("rk,rk->k", first, second)
        return np.full_like(products, products.sum()) if self.is_softmax else products

    def probabilities(self, scores: Array) -> Array:
        """P of scores, both (N, K)."""
        return softmax(scores) if self.is_softmax else sigmoid(scores)

    def scores(self, point: Double) -> Array:
        """X W + b, (N, K)."""
        single = point.astype(np.float32)
        scores: Array = _product(self.X, single[:-1]) + single[-1]
        return scores

    def back(self, T: Array) -> Double:
        """X'(A * T) / a and, as the last row, the column sums of A * T / a: (r + 1, K)."""
        T = self.A * T
        sums = np.concatenate([_product(self.X.T, T), T.sum(axis=0, keepdims=True)])
        return sums.astype(np.float64) / self.totals

    def _log_loss(self, scores: Array) -> Double:
        """The mean of -log p of the true answers, (K,); of classes, K times the same."""
        if self.is_softmax:
            top = scores.max(axis=1)
            whole = np.log(np.exp(scores - top[:, None]).sum(axis=1, dtype=np.float64)) + top
            losses = (whole - (self.Y * scores).sum(axis=1, dtype=np.float64)) * self.A[:, 0]
            return np.full(scores.shape[1], losses.sum() / self.totals[0])
        each = np.logaddexp(0, scores, dtype=np.float64) - self.Y * scores
        return np.asarray((self.A * each).sum(axis=0) / self.totals, np.float64)


def _product(A: Array, B: Array) -> Array:
    """A B. BLAS takes two to three times as long for a few columns together as for one after the other."""
    if B.shape[1] < _FEW_COLUMNS:
        return np.stack([A @ column for column in B.T], axis=1)
    product: Array = A @ B
    return product


def _ratio(above: Double, below: Double) -> Double:
    """Quotients, 0 where the denominator is 0."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _without_bias(point: Double) -> Double:
    """W above a row of zeros: what is penalised."""
    W = point.copy()
    W[-1] = 0
    return W
