"""Ridge regression in closed form: the problem, its solutions, and the code.

Letters
    N images, D features, K columns of targets: one for two classes, otherwise one per class, label or number.
    X (N, D): features with column means 0, and deviations 1 if the head standardizes them.
    Y (N, K): 1 for an image's class or label and -1 for the others; or numbers. y0 (K,): the column means of Y.
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

Weights
    With a weight w_n for each image the sum of squares becomes

        sum over n of w_n |x_n W + b - y_n|^2 + alpha |W|^2                                                        (3)

    Rows of X and Y that are centred by their weighted means and multiplied by the root of their weight turn (3) into the problem
    above; the bias is y0 - x0 W, with the weighted means x0 and y0. The leave-one-out residual is divided by
    1 - w_n / sum(w) - H[n, n], with H of the rows that were multiplied.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

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
    V: Double | None
    """(D, r); None with more features than images, where X and U take less time."""
    X: Double = field(default_factory=lambda: np.empty((0, 0)))
    """(N, D), where there is no V."""

    def in_features(self, coordinates: Double) -> Double:
        """V c of some c, (r, K), as (D, K)."""
        if self.V is None:
            return np.asarray(self.X.T @ (self.U @ (coordinates / self.s[:, None])), np.float64)
        return np.asarray(self.V @ coordinates, np.float64)


@dataclass(frozen=True)
class RidgeFit:
    """The solution for one alpha."""

    weights: Double
    """W, (D, K)"""
    bias: Double
    """y0, (K,)"""
    left_out: Double | None = None
    """Scores of each training image by the fit to all others, (N, K), NaN where its target is not known; None if they were not computed."""


def decompose(X: NDArray[np.floating]) -> Decomposition:
    """The singular value decomposition of centred features (N, D), from the eigenvectors of X'X, or of X X' if N < D."""
    exact = X.astype(np.float64)
    if len(X) < X.shape[1]:
        squares, U = _eigenvectors(exact @ exact.T)
        return Decomposition(U, np.sqrt(squares), None, exact)
    squares, V = _eigenvectors(exact.T @ exact)
    s = np.sqrt(squares)
    return Decomposition(exact @ V / s, s, V)


def fit_ridge(
    known: Decomposition, Y: Double, values: Sequence[float], *, with_leave_one_out: bool
) -> Iterator[RidgeFit]:
    """The solution (1) for each alpha.

    Args:
        known: The decomposition of the training features.
        Y: Targets, (N, K), all of them known.
        values: The alphas.
        with_leave_one_out: False if several rows are views of one image: without one of them, the others still show it.
    """
    U, s = known.U, known.s
    y0 = Y.mean(axis=0)
    target = U.T @ (Y - y0)
    squares = U**2 if with_leave_one_out else None
    for alpha in values:
        W = known.in_features((s / (s**2 + alpha))[:, None] * target)
        if squares is None:
            yield RidgeFit(W, y0)
            continue
        shrinkage = s**2 / (s**2 + alpha)
        residual = Y - y0 - U @ (shrinkage[:, None] * target)
        leverage = 1 / len(Y) + squares @ shrinkage  # 1/N + H[n, n]
        yield RidgeFit(W, y0, Y - residual / np.maximum(1 - leverage, 1e-12)[:, None])


def fit_weighted_ridge(
    X: NDArray[np.floating],
    Y: Double,
    values: Sequence[float],
    weights: Double,
    *,
    with_leave_one_out: bool,
) -> Iterator[RidgeFit]:
    """The solution of (3) for each alpha.

    Args:
        X: The training features, (N, D), N >= D or projected.
        Y: Targets, (N, K), all of them known.
        values: The alphas.
        weights: Of each image, (N,), above 0; their mean is 1.
        with_leave_one_out: As in `fit_ridge`.
    """
    share, root = weights / weights.sum(), np.sqrt(weights)
    x0, y0 = share @ X, share @ Y
    known = decompose((X - x0) * root[:, None])
    U, s = known.U, known.s
    target = U.T @ ((Y - y0) * root[:, None])
    squares = U**2 if with_leave_one_out else None
    for alpha in values:
        W = known.in_features((s / (s**2 + alpha))[:, None] * target)
        if squares is None:
            yield RidgeFit(W, y0 - x0 @ W)
            continue
        residual = Y - y0 - (X - x0) @ W
        leverage = share + squares @ (s**2 / (s**2 + alpha))
        yield RidgeFit(W, y0 - x0 @ W, Y - residual / np.maximum(1 - leverage, 1e-12)[:, None])


def fit_ridge_columns(
    X: NDArray[np.floating],
    known: Callable[[], Decomposition],
    Y: Double,
    values: Sequence[float],
    weights: Double | None = None,
    *,
    with_leave_one_out: bool,
) -> Iterator[RidgeFit]:
    """The solution for each alpha, where targets may be missing (NaN) and images may have weights.

    Columns that miss the targets of the same images are solved together.

    Args:
        X: The training features, (N, D), centred.
        known: Their decomposition; asked for if a column needs it.
        Y: Targets, (N, K), NaN where they are not known.
        values: The alphas.
        weights: Of each image, (N,); None: 1.
        with_leave_one_out: As in `fit_ridge`.
    """
    present = np.isfinite(Y)
    patterns, group = np.unique(present, axis=1, return_inverse=True)
    parts = []
    for number, rows in enumerate(patterns.T):
        columns, y = np.flatnonzero(group == number), Y[:, group == number]
        if rows.all() and weights is None:
            fits = fit_ridge(known(), y, values, with_leave_one_out=with_leave_one_out)
        else:
            own = np.ones(rows.sum()) if weights is None else weights[rows]
            fits = fit_weighted_ridge(X[rows], y[rows], values, own, with_leave_one_out=with_leave_one_out)
        parts.append((columns, rows, fits))
    if len(parts) == 1 and parts[0][1].all():
        yield from parts[0][2]
        return
    for together in zip(*(each for _, _, each in parts), strict=True):
        yield _joined([(columns, rows, fit) for (columns, rows, _), fit in zip(parts, together, strict=True)], Y.shape)


def _joined(parts: Sequence[tuple[Labels, NDArray[np.bool_], RidgeFit]], shape: tuple[int, ...]) -> RidgeFit:
    """One solution of all columns, from those of groups of columns with their images."""
    order = np.argsort(np.concatenate([columns for columns, _, _ in parts]))
    weights = np.concatenate([fit.weights for _, _, fit in parts], axis=1)[:, order]
    bias = np.concatenate([fit.bias for _, _, fit in parts])[order]
    if parts[0][2].left_out is None:
        return RidgeFit(weights, bias)
    left_out = np.full(shape, np.nan)
    for columns, rows, fit in parts:
        left_out[np.ix_(rows, columns)] = fit.left_out
    return RidgeFit(weights, bias, left_out)


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
