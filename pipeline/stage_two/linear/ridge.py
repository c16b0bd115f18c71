"""Ridge regression in closed form: the problem, its solutions, and the code.

Letters
    N images, D features, K columns of targets (one for two classes, otherwise one per class).
    X (N, D): features with column means 0, and deviations 1 if the head standardizes them.
    Y (N, K): 1 for an image's class and -1 for the others. y0 (K,): the column means of Y.
    alpha > 0: the regularisation.

Problem
    Minimise |X W - (Y - y0)|^2 + alpha |W|^2 over W (D, K). The scores of an image x are x W + y0. The bias is not penalised,
    and it is y0, because the columns of X have mean 0.

Solutions
    N >= D    W = (X'X + alpha I)^-1 X'(Y - y0)       solves a D x D system
    N <  D    W = X'(X X' + alpha I)^-1 (Y - y0)      solves an N x N system; both are the same W

    With X = U diag(s) V' (singular value decomposition) both become

        W = V diag(s / (s^2 + alpha)) U'(Y - y0)                                                                    (1)

    so that one decomposition, which knows neither labels nor alpha, serves all of them.

    N >= D    X'X = V diag(s^2) V' are eigenvectors of a D x D matrix, and U = X V diag(1/s).
    N <  D    `factors.factor` first projects X onto the N - 1 directions that its rows span: X = Z Q, where Q (N - 1, D) has
              orthonormal rows. Z (N, N - 1) takes the place of X, the solution of (1) is W_Z, and W = Q' W_Z.
    Streamed  Where X does not fit into memory, X'X and X'Y are summed block by block, and without U (1) is

        W = V diag(1 / (s^2 + alpha)) V' X'(Y - y0)                                                                 (2)

Leave-one-out
    The fitted values of (1) are y0 + H (Y - y0) with H = U diag(s^2 / (s^2 + alpha)) U'. The residual of image n under the fit
    to all other images is its residual under the fit to all images, divided by 1 - 1/N - H[n, n]; the 1/N is the bias. See
    Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, sections 3.4.1 and 7.10.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.linear.moments import Moments

Double = NDArray[np.float64]
Labels = NDArray[np.int64]

# Of the largest eigenvalue of X'X. Smaller eigenvalues of float32 features are rounding errors.
_RANK_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Decomposition:
    """X = U diag(s) V', float64, without the directions in which X does not vary."""

    U: Double
    """(N, r)"""
    s: Double
    """(r,)"""
    V: Double
    """(D, r)"""


@dataclass(frozen=True)
class RidgeFit:
    """The solution for one alpha."""

    weights: Double
    """W, (D, K)"""
    bias: Double
    """y0, (K,)"""
    left_out_hits: NDArray[np.bool_] | None = None
    """Whether each training image is classified correctly by the fit to all others, (N,); None if it was not computed."""


def targets_of(y: Labels, num_classes: int) -> Double:
    """Y of class numbers y (N,): (N, K), or (N, 1) with the column of class 1 for two classes."""
    Y = np.where(y[:, None] == np.arange(num_classes), 1.0, -1.0)
    return Y[:, 1:] if num_classes == 2 else Y


def decompose(X: NDArray[np.floating]) -> Decomposition:
    """The singular value decomposition of centred features (N, D), N >= D, from the eigenvectors of X'X."""
    exact = X.astype(np.float64)
    squares, V = _eigenvectors(exact.T @ exact)
    s = np.sqrt(squares)
    return Decomposition(exact @ V / s, s, V)


def fit_ridge(
    known: Decomposition, y: Labels, num_classes: int, values: Sequence[float], *, with_leave_one_out: bool
) -> Iterator[RidgeFit]:
    """The solution (1) for each alpha.

    Args:
        known: The decomposition of the training features.
        y: Class numbers, (N,).
        num_classes: Number of classes.
        values: The alphas.
        with_leave_one_out: False if several rows are views of one image: without one of them, the others still show it.
    """
    U, s, V = known.U, known.s, known.V
    Y = targets_of(y, num_classes)
    y0 = Y.mean(axis=0)
    target = U.T @ (Y - y0)
    squares = U**2 if with_leave_one_out else None
    for alpha in values:
        W = V @ ((s / (s**2 + alpha))[:, None] * target)
        if squares is None:
            yield RidgeFit(W, y0)
            continue
        shrinkage = s**2 / (s**2 + alpha)
        residual = Y - y0 - U @ (shrinkage[:, None] * target)
        leverage = 1 / len(y) + squares @ shrinkage  # 1/N + H[n, n]
        scores = Y - residual / np.maximum(1 - leverage, 1e-12)[:, None]
        predicted = (scores[:, 0] > 0).astype(np.int64) if num_classes == 2 else scores.argmax(axis=1)
        yield RidgeFit(W, y0, predicted == y)


def fit_ridge_to_moments(moments: Moments, scale: Double, values: Sequence[float]) -> list[RidgeFit]:
    """The solution (2) for each alpha.

    Args:
        moments: Of the features and, after them, the targets: D + K columns, with products. They are scaled in place.
        scale: What each feature is divided by, (D,).
        values: The alphas.
    """
    num_features = len(scale)
    XtX, XtY = np.hsplit(moments.products[:num_features], [num_features])
    XtX /= scale
    XtX /= scale[:, None]
    squares, V = _eigenvectors(XtX)
    target = V.T @ (XtY / scale[:, None])
    y0 = moments.mean[num_features:]
    return [RidgeFit(V @ (target / (squares + alpha)[:, None]), y0) for alpha in values]


def _eigenvectors(products: Double) -> tuple[Double, Double]:
    """s^2 (r,) and V (D, r) of X'X (D, D)."""
    squares, V = np.linalg.eigh(products)
    kept = squares > squares[-1] * _RANK_TOLERANCE
    return squares[kept], V[:, kept]
