"""Cross-validation of linear heads that differ in their regularisation only, from factors that all folds share.

The columns of all rows are centred, scaled, projected and turned to principal components once; that uses no label. Each fold chooses its
own regularisation and temperature, without the images that it predicts: ridge by leave-one-out within its training part, the others on a
fifth of it. Then its head is fitted on the whole training part.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.progress import progress_bar
from pipeline.stage_two.folds import Division, FoldScores, Positions
from pipeline.stage_two.linear.factors import Factors
from pipeline.stage_two.linear.fit import (
    UNCALIBRATED,
    Point,
    as_head,
    check_head,
    fit_heads,
    fit_path,
    judge_scores,
    prepare,
)
from pipeline.stage_two.linear.heads import ArrayHead, LinearHead
from pipeline.stage_two.linear.leave_out import FEW_VALUES, HeldOut, leave_out, refit
from pipeline.stage_two.linear.regularisation import choose_best
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import LinearSpec
from pipeline.stage_two.weights import image_weights
from pipeline.tasks.links import apply_link
from pipeline.tasks.targets import Double, Outputs
from pipeline.tasks.task import Task


def cross_validate_linear(
    specs: Sequence[LinearSpec],
    division: Division,
    *,
    factors: Factors | None = None,
    seed: int = 0,
    class_weight: str | None = None,
    progress: bool = False,
    with_rows: bool = True,
) -> list[FoldScores]:
    """The scores of each head, over all folds.

    Args:
        specs: Heads of one kind and one preparation.
        division: The folds.
        factors: Those of all rows of the division, if they are already computed.
        seed: Of `svm` and `sgd`.
        class_weight: As in `pipeline.stage_two.weights.weighted`; weights of classes that are balanced are balanced in each fold.
        progress: Show a progress bar.
        with_rows: As in `Division.score`.

    Raises:
        HeadSpecError: As in `fit_path`.
    """
    from threadpoolctl import threadpool_limits

    known = factors or prepare(specs[0], division.whole.flat)
    folds = _Folds(specs, division, known, seed, class_weight)
    predict = folds.ridge if specs[0].kind == "ridge" else folds.others
    found: list[list[Outputs]] = []
    with progress_bar(desc="folds", total=len(division.parts), unit="fold", progress=progress) as bar:
        for rest, held in division.parts:
            with threadpool_limits(1, user_api="blas"):  # as in `fit_path`
                found.append(predict(rest, held))
            bar.update()
    return [division.score(outputs, with_rows=with_rows) for outputs in zip(*found, strict=True)]


@dataclass(frozen=True)
class _Folds:
    """What the folds share."""

    specs: Sequence[LinearSpec]
    division: Division
    factors: Factors
    seed: int
    class_weight: str | None

    @property
    def task(self) -> Task:
        return self.division.task

    def split(self, rows: Positions) -> Split:
        """These images in the coordinates of the factors, with weights."""
        return Split(self.factors.X[rows], self.division.whole.y[rows], (), weights=self.weights(rows))

    def weights(self, rows: Positions) -> Double | None:
        """Weights of these images as a training set."""
        return (
            None
            if self.class_weight is None
            else image_weights(self.task, self.division.whole.y[rows], self.class_weight)
        )

    def values(self, specs: Iterable[LinearSpec]) -> tuple[float, ...]:
        """All values of these heads, in order."""
        return tuple(sorted({value for spec in specs for value in spec.values}))

    def ridge(self, rest: Positions, held: Positions) -> list[Outputs]:
        """Outputs (|S|, K) of the held-out images, by the head of each spec."""
        y, values = self.division.whole.y[rest], self.values(self.specs)
        candidates = {}
        for value, fit in zip(values, self._held_out(values, rest, held), strict=True):
            # The images that are left out one by one take the place of validation.
            head = as_head(np.zeros((1, fit.held.shape[1])), np.zeros(fit.held.shape[1]), self.task.link)
            candidates[value] = judge_scores(value, head, _columns(fit.rest, self.task), self.task, y), fit.held
        chosen = [choose_best([candidates[value][0] for value in spec.values]) for spec in self.specs]
        return [self._outputs(point.head, candidates[point.value][1]) for point in chosen]

    def _held_out(self, values: Sequence[float], rest: Positions, held: Positions) -> Iterator[HeldOut]:
        Y, weights = self.task.columns(self.division.whole.y), self.weights(rest)
        is_wide = self.factors.X.shape[1] + 1 >= len(self.factors.X)
        if is_wide and len(values) <= FEW_VALUES and weights is None and np.isfinite(Y).all():
            return leave_out(self.factors.decomposition, Y, values, held, rest)
        return refit(self.factors.X, Y, values, held, rest, weights)

    def _outputs(self, head: ArrayHead, scores: Double) -> Outputs:
        temperature = head.temperature if isinstance(head, LinearHead) else 1.0
        return apply_link(self.task.link, temperature * _columns(scores, self.task))

    def others(self, rest: Positions, held: Positions) -> list[Outputs]:
        """The same for heads without a closed form."""
        chosen = self._chosen(rest)
        train, X = self.split(rest), self.factors.X[held]
        values = tuple(sorted({value for value, _ in chosen}))
        spec = replace(self.specs[0], values=values)
        check_head(spec, train, self.task)
        heads = dict(zip(values, fit_heads(spec, self._of(train), train, self.task, self.seed), strict=True))
        outputs: dict[tuple[float, float], Outputs] = {}
        for value, temperature in chosen:
            if (value, temperature) not in outputs:
                outputs[value, temperature] = _with_temperature(heads[value], temperature).outputs(X)
        return [outputs[key] for key in chosen]

    def _chosen(self, rest: Positions) -> list[tuple[float, float]]:
        """Regularisation and temperature of each spec, chosen on a fifth of the training part where there is a choice."""
        asking = [spec for spec in self.specs if len(spec.values) > 1 or spec.kind in UNCALIBRATED]
        points: dict[float, Point] = {}
        if asking:
            outer, inner = map(self.split, self.division.inner(rest))
            spec = replace(asking[0], values=self.values(asking))
            rows = LabelledRows(self.task, {"train": outer, "validation": inner})
            path = fit_path(spec, self._of(outer), rows, seed=self.seed, projected=inner.flat)
            points = {point.value: point for point in path}
        return [self._choice(spec, points) for spec in self.specs]

    def _choice(self, spec: LinearSpec, points: dict[float, Point]) -> tuple[float, float]:
        if not set(spec.values) <= set(points):
            return spec.values[0], 1.0
        best = choose_best([points[value] for value in spec.values])
        return best.value, best.head.temperature if isinstance(best.head, LinearHead) else 1.0

    def _of(self, train: Split) -> Factors:
        """Factors of a part of the images; their rows are in the coordinates of all."""
        return replace(self.factors, X=train.flat, rows=None, lower=None, components=None)


def _with_temperature(head: ArrayHead, temperature: float) -> ArrayHead:
    return replace(head, temperature=temperature) if isinstance(head, LinearHead) else head


def _columns(scores: NDArray[np.float64], task: Task) -> Double:
    """Scores of least squares, (N, C), as one column per output, (N, K): a single one is that of class 1 of two."""
    if task.link == "softmax" and scores.shape[1] == 1:
        return np.concatenate([np.zeros_like(scores), scores], axis=1)
    return scores
