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

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.insight.whole import Whole
from pipeline.stage_two.linear.fit import Point, as_head, factors_of, judge_scores
from pipeline.stage_two.linear.heads import LinearHead
from pipeline.stage_two.linear.regularisation import choose_best
from pipeline.stage_two.linear.ridge import Decomposition, decompose
from pipeline.stage_two.spec import LINEAR_GRIDS, LinearSpec, default_scale
from pipeline.tasks.links import apply_link
from pipeline.tasks.targets import Outputs

Double = NDArray[np.float64]
Labels = NDArray[np.int64]

_SMALLEST = 1e-12
"""Of 1 - H for a single row, which rounding could make 0."""


@dataclass(frozen=True)
class LeavingOut:
    """All that the scores without a block need and that knows no label: it serves every alpha, and labels that change."""

    known: Decomposition
    """Of the centred rows; with weights, of `weighted`."""

    blocks: Labels
    """A number for each row, (M,); rows of one number leave together."""

    weights: Double | None = None
    """Of each row, (M,), above 0; None: 1."""

    @cached_property
    def together(self) -> list[tuple[Labels, Double]]:
        """The rows of all blocks of each size, (n, size), and their rows of U, (n, size, r); of single rows their squares."""
        found = _by_size(self.blocks)
        return [(rows, self.known.U[rows] ** 2 if rows.shape[1] == 1 else self.known.U[rows]) for rows in found]

    def scores(self, Y: Double, alpha: float) -> Double:
        """The scores of each row by the fit to the rows of all other blocks, (M, K), for targets (M, K)."""
        U, s = self.known.U, self.known.s
        w = np.ones(len(Y)) if self.weights is None else self.weights
        root, y0, shrinkage = np.sqrt(w), w @ Y / w.sum(), s**2 / (s**2 + alpha)
        T, bias = (Y - y0) * root[:, None], root / np.sqrt(w.sum())
        R = T - U @ (shrinkage[:, None] * (U.T @ T))
        E = np.empty_like(R)
        for rows, own in self.together:
            E[rows] = _without(own, shrinkage, bias[rows], R[rows])
        left: Double = Y - E / root[:, None]
        return left


@dataclass(frozen=True)
class Judge:
    """Ridge with a chosen regularisation and temperature, which judges each image without its block."""

    whole: Whole
    leaving: LeavingOut
    alpha: float
    temperature: float = 1.0

    def scores(self, y: Labels) -> Double:
        """Scores of each image under these labels (N,), one column per class, (N, K)."""
        scores = self.leaving.scores(self.whole.task.columns(y[self.whole.owners]), self.alpha)[: len(y)]
        # A single column is the score of class 1 of two.
        return np.concatenate([np.zeros_like(scores), scores], axis=1) if scores.shape[1] == 1 else scores

    def outputs(self, y: Labels) -> Outputs:
        """Probabilities under these labels (N,), (N, K): at once, also after one of them was corrected."""
        return apply_link(self.whole.task.link, self.temperature * self.scores(y))


@dataclass(frozen=True)
class LeftOut:
    """Outputs of heads for images that they have not seen."""

    outputs: Outputs
    """Probabilities of each image by a head fitted without its block, (N, K)."""

    accuracy: float
    chosen: str
    """The regularisation, such as `alpha 1000`."""

    judge: Judge | None = None
    """Of ridge."""


def default_ridge() -> LinearSpec:
    """Ridge with the values of its regularisation that `head` chooses from."""
    return LinearSpec("ridge", LINEAR_GRIDS["ridge"][1], default_scale("ridge"))


def leave_out_ridge(spec: LinearSpec, whole: Whole, weights: Double | None = None) -> LeftOut:
    """The probabilities of each image by ridge on the other blocks, from one decomposition.

    The regularisation is chosen as for the head `ridge`, with the left-out images as validation. One temperature, fitted to the left-out
    scores of all images, makes probabilities of them.

    Args:
        spec: Ridge, and the values to choose from.
        whole: The images.
        weights: How much each image counts, (N,), mean 1; its views count the same. None: all images count the same.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        factors = factors_of(spec, whole.as_rows())
        own = None if weights is None else weights[whole.owners]
        known = factors.decomposition if own is None else weighted(factors.X, own)
        leaving = LeavingOut(known, whole.blocks[whole.owners], own)
        judges = [Judge(whole, leaving, value) for value in spec.values]
        points = [_point(judge) for judge in judges]
        best = choose_best(points)
        head = best.head
        temperature = head.temperature if isinstance(head, LinearHead) else 1.0
        judge = replace(judges[points.index(best)], temperature=temperature)
        return LeftOut(judge.outputs(whole.y), best.accuracy, f"{spec.parameter} {best.value:g}", judge)


def _point(judge: Judge) -> Point:
    """One value of the regularisation, with its temperature and its scores on the left-out images."""
    task, scores = judge.whole.task, judge.scores(judge.whole.y)
    empty = as_head(np.zeros((1, scores.shape[1])), np.zeros(scores.shape[1]), task.link)
    return judge_scores(judge.alpha, empty, scores, task, judge.whole.y)


def weighted(X: NDArray[np.floating], weights: Double) -> Decomposition:
    """The decomposition that `LeavingOut` takes with weights (M,), of rows (M, r)."""
    centred = X - weights @ X / weights.sum()
    return decompose(centred * np.sqrt(weights)[:, None])


def _by_size(blocks: Labels) -> list[Labels]:
    """The rows of all blocks: one array (n, size) for the n blocks of each size."""
    order = np.argsort(blocks, kind="stable")
    counts = np.bincount(blocks[order])
    ends = np.cumsum(counts)
    starts = ends - counts
    return [order[starts[counts == size][:, None] + np.arange(size)] for size in np.unique(counts[counts > 0])]


def _without(own: Double, shrinkage: Double, bias: Double, R: Double) -> Double:
    """(1) for n blocks of one size, (n, size, K).

    Args:
        own: As in `LeavingOut.together`.
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
