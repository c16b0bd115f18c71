"""Linear heads on rows that do not fit into memory: read from their shards block by block.

Letters: N images, D features, K classes.
"""

import math
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import SettingError
from pipeline.stage_two.dense.batches import Places, Source, training_source, validation_source
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.linear.factors import RANK_TOLERANCE, Array, Factors
from pipeline.stage_two.linear.fit import LinearFit, Point, as_head, choose, judge, new_estimator, targets_of
from pipeline.stage_two.linear.heads import LinearHead
from pipeline.stage_two.linear.moments import Moments
from pipeline.stage_two.rows import Split, StoredRows, Task
from pipeline.stage_two.spec import LinearSpec

_PIECE_BYTES = 8 * 2**20
"""Of a block, so much at a time is turned into other numbers, some of them of twice the size."""

EPOCHS = (5, 20)
"""Of sgd, at least and at most."""

_ENOUGH_IMAGES = 1_000_000
"""After about so many an sgd has come to its end (scikit-learn's user guide, 1.5, Tips on practical use)."""

_COPIES = 5
"""Of the D x D products that exist at once while their eigenvectors are computed."""


def stream_linear(spec: LinearSpec, task: Task, *, seed: int = 0) -> LinearFit:
    """Fit on the training split, reading it once (`ridge`) or once an epoch (`sgd`) after a first pass for means and deviations.

    The regularisation is the one with the best validation accuracy, for ridge too: an image's residual without itself would
    take another pass. Otherwise ridge is that of rows in memory, and sgd takes other steps to the same end. Views of training
    images count as images. The test split is not looked at.

    Args:
        spec: The head and the values to choose from.
        task: Features and labels; the rows stay in their shards.
        seed: Of the order of `sgd`.

    Raises:
        SettingError: The head needs all rows at once, or the products of its features do not fit into memory.
    """
    train = task.train
    _check(spec, task)
    source = training_source(train, Training(view_mode="all", batch_size=1, seed=seed))
    if spec.kind == "ridge":
        scaling, heads = _ridge(spec, source, train, len(task.classes))
    else:
        scaling, heads = _sgd(spec, source, train, len(task.classes), seed)
    return choose(spec, list(_judged(spec.values, heads, scaling, task.validation)), scaling)


def _check(spec: LinearSpec, task: Task) -> None:
    """Refuse what cannot be done block by block."""
    rows = [part for split in task.splits.values() for part in (split.X, *split.views)]
    given, allowed = sum(part.nbytes for part in rows), _memory_bytes(task.train)
    pool = "pool the rows (--pool avg), or " if len(task.train.X.shape) > 2 else ""
    cure = f"Otherwise {pool}give a larger --memory-gb."
    received = f"{spec.kind} on {given / 1e9:.3g} GB of rows, of which {allowed / 1e9:.3g} GB may be in memory"
    if spec.kind not in ("ridge", "sgd"):
        raise SettingError(f"Received: {received}. Expected: sgd or ridge, which read rows in blocks. {cure}")
    num_features = math.prod(task.train.X.shape[1:])
    needed = _COPIES * 8 * num_features**2
    if spec.kind == "ridge" and needed > allowed:
        raise SettingError(
            f"Received: {received}. The products of its {num_features:,} features take {needed / 1e9:.3g} GB. "
            f"Expected: sgd, which needs none. {cure}"
        )


def _memory_bytes(split: Split) -> float:
    """What rows of the task may take in memory."""
    return split.X.memory_bytes if isinstance(split.X, StoredRows) else math.inf


def _pieces(source: Source, order: Places, *, epoch: int) -> Iterator[tuple[Places, Array]]:
    """Places and flat rows, (n, D), in this order, a few at a time."""
    start = 0
    for block in source.blocks(order, 1, epoch=epoch):
        size = max(1, _PIECE_BYTES // block[0].nbytes)
        for first in range(0, len(block), size):
            rows = block[first : first + size]
            yield order[start : start + len(rows)], rows.reshape(len(rows), -1)
            start += len(rows)


def _scaling(moments: Moments, spec: LinearSpec, num_features: int) -> Factors:
    """What makes features of mean 0 and, if the head is to have it so, deviation 1."""
    mean = moments.mean[:num_features]
    scale = moments.deviation[:num_features] if spec.scale == "standard" else np.ones(num_features)
    return Factors(mean.astype(np.float32), scale.astype(np.float32), np.empty((0, num_features), np.float32))


def _ridge(spec: LinearSpec, source: Source, train: Split, num_classes: int) -> tuple[Factors, list[LinearHead]]:
    """As in memory, from the products of all features and targets: V diag(1 / (s^2 + alpha)) V' X'Y, X'X = V diag(s^2) V'."""
    num_features = math.prod(train.X.shape[1:])
    num_targets = targets_of(source.y[:1], num_classes).shape[1]
    moments = Moments(num_features + num_targets, with_products=True)
    for places, rows in _pieces(source, source.reading_order(), epoch=-1):
        moments.add(np.concatenate([rows, targets_of(source.y[places], num_classes)], axis=1))
    scaling = _scaling(moments, spec, num_features)
    size = scaling.scale.astype(np.float64)
    products = moments.products[:num_features, :num_features]
    products /= size
    products /= size[:, None]
    squares, vectors = np.linalg.eigh(products)
    kept = squares > squares[-1] * RANK_TOLERANCE
    squares, vectors = squares[kept], vectors[:, kept]
    turned = vectors.T @ (moments.products[:num_features, num_features:] / size[:, None])
    offset = moments.mean[num_features:]
    return scaling, [as_head(vectors @ (turned / (squares + value)[:, None]), offset) for value in spec.values]


def _sgd(
    spec: LinearSpec, source: Source, train: Split, num_classes: int, seed: int
) -> tuple[Factors, list[LinearHead]]:
    """Averaged stochastic gradient descent, all values side by side on each block that is read."""
    num_features = math.prod(train.X.shape[1:])
    moments = Moments(num_features, with_products=False)
    for _, rows in _pieces(source, source.reading_order(), epoch=-1):
        moments.add(rows)
    scaling = _scaling(moments, spec, num_features)
    # Blocks come shuffled, out of shards in random order.
    estimators = [new_estimator("sgd", seed).set_params(alpha=value, shuffle=False) for value in spec.values]
    num_epochs = min(max(EPOCHS[0], math.ceil(_ENOUGH_IMAGES / len(source.y))), EPOCHS[1])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="sklearn")  # as in memory
        for epoch in range(num_epochs):
            for places, rows in _pieces(source, source.order(seed, epoch), epoch=epoch):
                scaled = scaling.turn(rows)
                for estimator in estimators:
                    estimator.partial_fit(scaled, source.y[places], classes=np.arange(num_classes))
    return scaling, [as_head(estimator.coef_.T, estimator.intercept_) for estimator in estimators]


def _judged(
    values: Sequence[float], heads: Sequence[LinearHead], scaling: Factors, validation: Split
) -> Iterator[Point]:
    """Each head by its scores on validation, of as many heads at once as take no more memory than a block of rows."""
    source = validation_source(validation)
    score_bytes = 4 * len(validation) * len(heads[0].bias)
    share = max(1, int(min(len(heads), _memory_bytes(validation) / 4 / score_bytes)))
    for first in range(0, len(heads), share):
        group = heads[first : first + share]
        weights = np.concatenate([head.weights for head in group], axis=1)
        bias = np.concatenate([head.bias for head in group])
        scores: NDArray[np.float32] = np.empty((len(validation), len(bias)), np.float32)
        for places, rows in _pieces(source, source.reading_order(), epoch=-1):
            scores[places] = scaling.turn(rows) @ weights + bias
        for value, head, own in zip(values[first:], group, np.split(scores, len(group), axis=1), strict=False):
            yield judge(value, head, own, validation.y)
