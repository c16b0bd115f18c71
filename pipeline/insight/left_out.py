"""Ridge without a part of its images, in closed form: each image is judged by a fit that has not seen it.

Letters
    M rows, r coordinates, K columns of targets. X (M, r) has weighted column means 0. w (M,): how much each row counts.
    U, s, V: the decomposition of the rows of X, each times the root of its weight (see `pipeline.stage_two.linear.ridge`).
    alpha > 0: the regularisation. G: the rows that leave together, such as the views of an image, or the images of a group.

Scores without G
    Let T be the targets minus their weighted means, each times the root of its row's weight. The fit to all rows gives H T with
    H = U diag(s^2 / (s^2 + alpha)) U' + root(w) root(w)' / sum(w); the second part is the bias, which is not penalised. Let
    R = T - H T. Under the fit to the rows outside G, the residuals of the rows of G are

        E_G = (I - H_GG)^-1 R_G                                                                                     (1)

    because that fit would not change if the rows of G had their own scores as targets (Cook & Weisberg 1982, Residuals and Influence
    in Regression, section 2.2). For one row it is the formula of leave-one-out. Divided by the root of the weight, they are residuals of
    the targets as they were.

The centring and scaling of the columns use all rows, and no label. With them held fixed, (1) equals a refit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.insight.whole import Whole
from pipeline.stage_two.linear.fit import Point, as_head, factors_of, judge_scores
from pipeline.stage_two.linear.regularisation import choose_best
from pipeline.stage_two.linear.ridge import Decomposition, decompose
from pipeline.stage_two.linear.temperature import apply_link
from pipeline.stage_two.spec import LinearSpec
from pipeline.tasks.task import Outputs

Double = NDArray[np.float64]
Labels = NDArray[np.int64]

_SMALLEST = 1e-12
"""Of 1 - H for a single row, which rounding could make 0."""


@dataclass(frozen=True)
class LeftOut:
    """What heads say of images that they have not seen."""

    outputs: Outputs
    """Probabilities of each image by a head fitted without its block, (N, K)."""

    accuracy: float
    chosen: str
    """The regularisation, such as `alpha 1000`."""


def leave_out_ridge(spec: LinearSpec, whole: Whole) -> LeftOut:
    """The probabilities of each image by ridge on the other blocks, from one decomposition.

    The regularisation is chosen as for the head `ridge`, with the left-out images as validation. One temperature, fitted to the left-out
    scores of all images, makes probabilities of them.

    Args:
        spec: Ridge, and the values to choose from.
        whole: The images.
    """
    from threadpoolctl import threadpool_limits

    factors = factors_of(spec, whole.as_rows())
    Y = whole.task.columns(whole.y[whole.owners])
    with threadpool_limits(1, user_api="blas"):
        scores = left_out_scores(factors.decomposition, Y, spec.values, whole.blocks[whole.owners])
        points = [_point(value, left, whole) for value, left in zip(spec.values, scores, strict=True)]
    best = choose_best([point for point, _ in points])
    outputs = next(outputs for point, outputs in points if point is best)
    return LeftOut(outputs, best.accuracy, f"{spec.parameter} {best.value:g}")


def _point(value: float, scores: Double, whole: Whole) -> tuple[Point, Outputs]:
    """One value of the regularisation, judged by the scores of view 0, and the probabilities."""
    task, own = whole.task, _columns(scores[: len(whole)])
    empty = as_head(np.zeros((1, own.shape[1])), np.zeros(own.shape[1]), task.link)
    point = judge_scores(value, empty, own, task, whole.y)
    return point, apply_link(task.link, point.head.temperature * own)  # type: ignore[union-attr]


def _columns(scores: Double) -> Double:
    """One column per class: a single one is the score of class 1 of two."""
    return np.concatenate([np.zeros_like(scores), scores], axis=1) if scores.shape[1] == 1 else scores


def left_out_scores(
    known: Decomposition,
    Y: Double,
    values: Sequence[float],
    blocks: Labels,
    weights: Double | None = None,
) -> Iterator[Double]:
    """The scores of each row by the fit to the rows of all other blocks, (M, K), for each alpha.

    Args:
        known: The decomposition of the centred rows; with weights, of `weighted`.
        Y: Targets, (M, K).
        values: The alphas.
        blocks: A number for each row, (M,); rows of one number leave together.
        weights: Of each row, (M,), above 0; None: 1.
    """
    w = np.ones(len(Y)) if weights is None else weights
    root, y0 = np.sqrt(w), w @ Y / w.sum()
    T = (Y - y0) * root[:, None]
    target, bias = known.U.T @ T, root / np.sqrt(w.sum())
    together = [(rows, _own(known.U, rows)) for rows in _by_size(blocks)]
    for alpha in values:
        shrinkage = known.s**2 / (known.s**2 + alpha)
        R = T - known.U @ (shrinkage[:, None] * target)
        E = np.empty_like(R)
        for rows, own in together:
            E[rows] = _without(own, shrinkage, bias[rows], R[rows])
        yield Y - E / root[:, None]


def weighted(X: NDArray[np.floating], weights: Double) -> Decomposition:
    """The decomposition that `left_out_scores` takes with weights (M,), of rows (M, r)."""
    centred = X - weights @ X / weights.sum()
    return decompose(centred * np.sqrt(weights)[:, None])


def _by_size(blocks: Labels) -> list[Labels]:
    """The rows of all blocks: one array (n, size) for the n blocks of each size."""
    order = np.argsort(blocks, kind="stable")
    counts = np.bincount(blocks[order])
    ends = np.cumsum(counts)
    starts = ends - counts
    return [order[starts[counts == size][:, None] + np.arange(size)] for size in np.unique(counts[counts > 0])]


def _own(U: Double, rows: Labels) -> Double:
    """The rows of U of n blocks of one size, (n, size, r); of single rows their squares, (n, 1, r). They serve all alphas."""
    return U[rows] ** 2 if rows.shape[1] == 1 else U[rows]


def _without(own: Double, shrinkage: Double, bias: Double, R: Double) -> Double:
    """(1) for n blocks of one size, (n, size, K).

    Args:
        own: As `_own` gives it.
        shrinkage: s^2 / (s^2 + alpha), (r,).
        bias: root(w / sum(w)) of these rows, (n, size).
        R: Their residuals, (n, size, K).
    """
    size = own.shape[1]
    if size == 1:
        leverage = own @ shrinkage + bias**2
        return np.asarray(R / np.maximum(1 - leverage, _SMALLEST)[..., None], np.float64)
    H = (own * shrinkage) @ own.transpose(0, 2, 1) + bias[:, :, None] * bias[:, None, :]
    return np.asarray(np.linalg.solve(np.eye(size) - H, R), np.float64)
