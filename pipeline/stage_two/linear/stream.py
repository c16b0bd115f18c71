"""Linear heads on rows that do not fit into memory; the rows are read from their shards in blocks.

Letters: N images, D features, K outputs.
"""

import math
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SettingError
from pipeline.stage_two.dense.batches import Positions, Source, training_source, validation_source
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.linear.factors import Array, Factors
from pipeline.stage_two.linear.fit import LinearFit, Point, as_head, choose, judge_scores, new_estimator
from pipeline.stage_two.linear.heads import LinearHead
from pipeline.stage_two.linear.learner import Learner
from pipeline.stage_two.linear.moments import Moments
from pipeline.stage_two.linear.ridge import fit_ridge_to_moments
from pipeline.stage_two.rows import LabelledRows, Split, StoredRows
from pipeline.stage_two.spec import NORMS, LinearSpec

_PIECE_BYTES = 8 * 2**20
"""Blocks are processed in pieces of this size, because a float64 copy takes twice the memory."""

EPOCHS = (5, 20)
"""Minimum and maximum number of epochs of sgd."""

_ENOUGH_IMAGES = 1_000_000
"""sgd has converged after about this many images (scikit-learn's user guide, 1.5, Tips on practical use)."""

_LONG = 4

_COPIES = 5
"""Copies of the D x D products in memory while their eigenvectors are computed."""


def stream_linear(spec: LinearSpec, labelled: LabelledRows, *, seed: int = 0) -> LinearFit:
    """Fit on the training split. `ridge` reads it once; `sgd` once for means and deviations, then once per epoch.

    The regularisation is chosen on validation, for ridge too, because leave-one-out would need another pass.
    Apart from that, ridge equals the fit in memory. sgd sees the images in another order and converges to the same solution.
    Views of training images count as images. The test split is not used.

    Args:
        spec: The head and the values to choose from.
        labelled: Features and targets; the rows stay in their shards.
        seed: Of the order of `sgd`.

    Raises:
        SettingError: The head needs all rows at once, or the products of its features do not fit into memory.
    """
    _check(spec, labelled)
    source = training_source(labelled.train, Training(view_mode="all", batch_size=1, seed=seed))
    if spec.kind == "ridge":
        scaling, heads = _ridge(spec, source, labelled)
    else:
        scaling, heads = _sgd(spec, source, labelled, seed)
    return choose(spec, list(_judged(spec.values, heads, scaling, labelled)), scaling)


def _check(spec: LinearSpec, labelled: LabelledRows) -> None:
    """Check that the head can be fitted in blocks."""
    rows = [part for split in labelled.splits.values() for part in (split.X, *split.views)]
    given, allowed = sum(part.nbytes for part in rows), _memory_bytes(labelled.train)
    pool = "pool the rows (--pool avg), or " if len(labelled.train.X.shape) > 2 else ""
    cure = f"Otherwise {pool}give a larger --memory-gb."
    received = f"{spec.kind} on {given / 1e9:.3g} GB of rows, of which {allowed / 1e9:.3g} GB may be in memory"
    if spec.kind not in ("ridge", "sgd"):
        raise SettingError(f"Received: {received}. Expected: sgd or ridge, which read rows in blocks. {cure}")
    if spec.kind == "ridge" and (labelled.train.weights is not None or np.isnan(labelled.train.y).any()):
        raise SettingError(
            f"Received: {received}, with class weights or with targets that are not known. Expected: sgd, which can do that in blocks. {cure}"
        )
    if spec.pca or spec.norm != NORMS[0]:
        raise SettingError(
            f"Received: {received}. Expected: {spec.kind} without pca and norm, which need all rows at once. {cure}"
        )
    num_features = math.prod(labelled.train.X.shape[1:])
    needed = _COPIES * 8 * num_features**2
    if spec.kind == "ridge" and needed > allowed:
        raise SettingError(
            f"Received: {received}. The products of its {num_features:,} features take {needed / 1e9:.3g} GB. "
            f"Expected: sgd, which needs none. {cure}"
        )


def _memory_bytes(split: Split) -> float:
    """Memory that rows of the task may take, in bytes."""
    return split.X.memory_bytes if isinstance(split.X, StoredRows) else math.inf


def _pieces(source: Source, order: Positions, *, epoch: int) -> Iterator[tuple[Positions, Array]]:
    """Positions (n,) and flat rows (n, D) in this order, in pieces."""
    start = 0
    for block in source.blocks(order, 1, epoch=epoch):
        size = max(1, _PIECE_BYTES // block[0].nbytes)
        for first in range(0, len(block), size):
            rows = block[first : first + size]
            yield order[start : start + len(rows)], rows.reshape(len(rows), -1)
            start += len(rows)


def _scaling(moments: Moments, spec: LinearSpec, num_features: int) -> Factors:
    """Factors that centre the features and, if the head standardizes them, scale them to deviation 1."""
    mean = moments.mean[:num_features]
    scale = moments.deviation[:num_features] if spec.scale == "standard" else np.ones(num_features)
    return Factors(mean.astype(np.float32), scale.astype(np.float32), np.empty((0, num_features), np.float32))


def _ridge(spec: LinearSpec, source: Source, labelled: LabelledRows) -> tuple[Factors, list[LinearHead]]:
    """One pass that sums the products of all features and targets, and a closed form for each value."""
    task, num_features = labelled.task, math.prod(labelled.train.X.shape[1:])
    num_targets = task.columns(source.y[:1]).shape[1]
    moments = Moments(num_features + num_targets, with_products=True)
    for positions, rows in _pieces(source, source.reading_order(), epoch=-1):
        moments.add(np.concatenate([rows, task.columns(source.y[positions])], axis=1))
    scaling = _scaling(moments, spec, num_features)
    fits = fit_ridge_to_moments(moments, scaling.scale.astype(np.float64), spec.values)
    return scaling, [as_head(fit.weights, fit.bias, task.link) for fit in fits]


def _sgd(spec: LinearSpec, source: Source, labelled: LabelledRows, seed: int) -> tuple[Factors, list[LinearHead]]:
    """Averaged stochastic gradient descent; each block is read once for all values."""
    task, num_features = labelled.task, math.prod(labelled.train.X.shape[1:])
    moments = Moments(num_features, with_products=False)
    for _, rows in _pieces(source, source.reading_order(), epoch=-1):
        moments.add(rows)
    scaling = _scaling(moments, spec, num_features)
    # Some rows are several times as long as the mean one.
    longest = _LONG * float(np.square(moments.deviation / scaling.scale).sum())
    learners = [
        [Learner.of(problem, len(source.y), new_estimator("sgd", seed, task, longest), value) for value in spec.values]
        for problem in task.problems(source.y)
    ]
    weights = None if labelled.train.weights is None else np.resize(labelled.train.weights, len(source.y))
    num_epochs = min(max(EPOCHS[0], math.ceil(_ENOUGH_IMAGES / len(source.y))), EPOCHS[1])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="sklearn")  # as in memory
        for epoch in range(num_epochs):
            for positions, rows in _pieces(source, source.order(seed, epoch), epoch=epoch):
                scaled = scaling.project(rows)
                for learner in (each for of_problem in learners for each in of_problem):
                    learner.learn(scaled, positions, weights)
    solved = [[learner.solution(num_features) for learner in of_problem] for of_problem in learners]
    joined = [
        [np.concatenate(parts) for parts in zip(*of_value, strict=True)] for of_value in zip(*solved, strict=True)
    ]
    return scaling, [as_head(coefficients.T, bias, task.link) for coefficients, bias in joined]


def _judged(
    values: Sequence[float], heads: Sequence[LinearHead], scaling: Factors, labelled: LabelledRows
) -> Iterator[Point]:
    """Each head with its validation scores. The scores of a group of heads take at most the memory of a block of rows."""
    validation = labelled.validation
    source = validation_source(validation)
    score_bytes = 4 * len(validation) * len(heads[0].bias)
    group_size = max(1, int(min(len(heads), _memory_bytes(validation) / 4 / score_bytes)))
    for first in range(0, len(heads), group_size):
        group = heads[first : first + group_size]
        weights = np.concatenate([head.weights for head in group], axis=1)
        bias = np.concatenate([head.bias for head in group])
        scores: NDArray[np.float32] = np.empty((len(validation), len(bias)), np.float32)
        for positions, rows in _pieces(source, source.reading_order(), epoch=-1):
            scores[positions] = scaling.project(rows) @ weights + bias
        for value, head, own in zip(values[first:], group, np.split(scores, len(group), axis=1), strict=False):
            yield judge_scores(value, head, own, labelled.task, validation.y)
