"""Ridge without some of its images, in closed form: all folds of a cross-validation from one decomposition.

Letters
    N images, r coordinates, K columns of targets. X (N, r) has column means 0. U, s, V: its decomposition (see `ridge`).
    S: the images that are held out; T: the others. alpha > 0: the regularisation.

Held-out images
    The scores of ridge are H Y with H = 1/N + U diag(s^2 / (s^2 + alpha)) U'; the 1/N, in every entry, is the bias. Let R = Y - H Y be
    the residuals. Under the fit to T alone, the residuals of S are

        E_S = (I - H_SS)^-1 R_S                                                                                    (1)

    because the fit to T would not change if the targets of S were its own scores Y_S - E_S, and H times these targets is that fit
    (Cook & Weisberg 1982, Residuals and Influence in Regression, section 2.2; for one image it is the formula of leave-one-out). From
    this, too, the residuals of T under the fit to T, and the diagonal of its H:

        R_T + H_TS E_S      and      diag(H_TT) + diag(H_TS (I - H_SS)^-1 H_ST)                                     (2)

    so that leave-one-out within T has a closed form again. The regularisation of a fold is chosen by it, without the fold's images.

What all folds share: the centring and scaling of the columns, and the projection. They use all rows and no label. With them held fixed,
(1) and (2) equal refits.

(1) and (2) take time for each alpha. For a path of many, or with more images than coordinates, it is faster to decompose T once, in the
coordinates that are shared (`refit`): that serves all alphas, its solution and leave-one-out are those of `ridge`, and both ways give
the same numbers. With weights, or with targets that are not known, H differs between columns; then it is `refit`, too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.linear.ridge import Decomposition, Double, decompose, fit_ridge_columns

Positions = NDArray[np.int64]

FEW_VALUES = 8
"""Up to so many alphas the closed form takes less time than a decomposition of each fold (2,000 images, 5 folds)."""


@dataclass(frozen=True)
class HeldOut:
    """Scores of images by fits that have not seen them, for one alpha."""

    held: Double
    """Of S by the fit to T, (|S|, K)."""

    rest: Double
    """Of each image of T by the fit to the others of T, (|T|, K), NaN where its target is not known."""


def leave_out(
    known: Decomposition, Y: Double, values: Sequence[float], held: Positions, rest: Positions
) -> Iterator[HeldOut]:
    """The scores of (1) and (2) for each alpha.

    Args:
        known: The decomposition of all images.
        Y: Their targets, (N, K), all of them known.
        values: The alphas.
        held: S.
        rest: T; all images are in S or T.
    """
    U, squares, y0 = known.U, known.s**2, Y.mean(axis=0)
    target, bias = U.T @ (Y - y0), 1 / len(Y)
    for alpha in values:
        shrinkage = squares / (squares + alpha)
        R = Y - y0 - U @ (shrinkage[:, None] * target)
        H = (U[held] * shrinkage) @ U.T + bias  # the rows of S, (|S|, N)
        lower = np.linalg.cholesky(np.eye(len(held)) - H[:, held])
        B = _solved(lower, np.concatenate([R[held], H[:, rest]], axis=1))
        E = _solved(lower, B[:, : Y.shape[1]], transposed=True)
        across = B[:, Y.shape[1] :]
        leverage = bias + (U[rest] ** 2) @ shrinkage + np.einsum("sn,sn->n", across, across)
        residual = R[rest] + H[:, rest].T @ E
        yield HeldOut(Y[held] - E, Y[rest] - residual / np.maximum(1 - leverage, 1e-12)[:, None])


def refit(
    X: NDArray[np.floating],
    Y: Double,
    values: Sequence[float],
    held: Positions,
    rest: Positions,
    weights: Double | None = None,
) -> Iterator[HeldOut]:
    """The same by a fit to T for each alpha.

    Args:
        X: All images in the coordinates of their factors, (N, r).
        Y: Their targets, (N, K), NaN where they are not known.
        values: The alphas.
        held: S.
        rest: T.
        weights: Of the images of T, (|T|,); None: 1.
    """
    mean = X[rest].mean(axis=0, dtype=np.float64)
    own = X[rest] - mean
    fits = fit_ridge_columns(own, lambda: decompose(own), Y[rest], values, weights, with_leave_one_out=True)
    for fit in fits:
        left_out = fit.left_out if fit.left_out is not None else Y[rest]
        yield HeldOut((X[held] - mean) @ fit.weights + fit.bias, left_out)


def _solved(lower: NDArray[np.floating], B: Double, *, transposed: bool = False) -> Double:
    """L^-1 B, or L'^-1 B, of a lower triangular L."""
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(lower, B, lower=True, trans="T" if transposed else "N", check_finite=False))
