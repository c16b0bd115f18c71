"""Fitting linear heads for all values of their regularisation, on factors that are computed once.

Letters: N training images, M validation images, D features, r coordinates of the factors, K classes.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, HeadSpecError
from pipeline.stage_two.linear.factors import Array, Factors, factor
from pipeline.stage_two.linear.heads import ArrayHead, LinearHead, NeighboursHead, softmax, unit_rows
from pipeline.stage_two.linear.logistic import fit_logistic
from pipeline.stage_two.linear.regularisation import choose_best
from pipeline.stage_two.linear.ridge import fit_ridge
from pipeline.stage_two.rows import Task
from pipeline.stage_two.spec import LinearSpec

Labels = NDArray[np.int64]
Hits = NDArray[np.bool_]

# If all images are classified correctly, a higher temperature factor always lowers the loss: the end of the interval is taken.
_LOG_TEMPERATURES = (-5.0, 7.0)


@dataclass(frozen=True)
class Candidate:
    """The scores of one value of the regularisation."""

    value: float
    accuracy: float
    """On validation."""

    loss: float
    """On validation."""

    leave_one_out: float | None = None
    """Accuracy on each training image of the head fitted to all others; only for ridge without views."""

    def as_dict(self) -> dict[str, float]:
        """The candidate as a run keeps it."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class Point:
    """The head for one value of the regularisation."""

    value: float
    accuracy: float
    """On validation."""

    loss: float
    """On validation."""

    head: ArrayHead
    """Takes features in the coordinates of the factors."""

    hits: NDArray[np.bool_]
    """Whether each image that the choice is made on is classified correctly: validation images, (M,). For ridge without views
    training images, (N,), each by the head fitted to all others."""

    leave_one_out: float | None = None
    """As in `Candidate`."""

    @property
    def candidate(self) -> Candidate:
        """Its value and scores."""
        return Candidate(self.value, self.accuracy, self.loss, self.leave_one_out)


@dataclass(frozen=True)
class LinearFit:
    """A fitted head, and the scores of each value of its regularisation."""

    head: ArrayHead
    parameter: str
    value: float
    candidates: tuple[Candidate, ...]
    """One per value."""


def fit_linear(spec: LinearSpec, task: Task, *, seed: int = 0, factors: Factors | None = None) -> LinearFit:
    """Fit on the training split, and choose the regularisation: the smallest validation log loss, unless it costs accuracy.

    Values with significantly less accuracy than the best one are left out (see `pipeline.stage_two.linear.regularisation`). The
    accuracy of ridge is that of leave-one-out on the training images, which is computed with the fit; that of the others is on the
    validation images. Views of training images count as images. The test split is not used.

    Args:
        spec: The head and the values to choose from.
        task: Features and labels.
        seed: Of `svm` and `sgd`.
        factors: Those of the training split, if they are already computed.
    """
    known = factors or factors_of(spec, task)
    return choose(spec, fit_path(spec, known, task, seed=seed), known)


def factors_of(spec: LinearSpec, task: Task) -> Factors:
    """Factors of the training split. Heads with the same scaling share them, except neighbours, which compare directions."""
    return factor(task.train.all_views().flat, spec.scale, is_centred=spec.kind != "knn")


def choose(spec: LinearSpec, path: Sequence[Point], factors: Factors) -> LinearFit:
    """The best head among those with the values of the spec; it takes unscaled features (N, D)."""
    points = [point for point in path if point.value in spec.values]
    best = choose_best(points)
    head = replace(best.head, mean=factors.mean, scale=factors.scale)
    if isinstance(head, LinearHead):
        head = replace(head, weights=factors.unproject(head.weights))
    return LinearFit(head, spec.parameter, best.value, tuple(point.candidate for point in points))


def fit_path(
    spec: LinearSpec, factors: Factors, task: Task, *, seed: int = 0, projected: Array | None = None
) -> list[Point]:
    """A head for each value of the spec, in their order.

    The many small matrix products run in one thread. A second thread gains little, and if other work uses the cores, waiting for
    it makes a fit ten times as long.

    Args:
        spec: The head and its values.
        factors: Those of the training split.
        task: Labels, and the features of the validation split unless `projected` is given.
        seed: Of `svm` and `sgd`.
        projected: The validation split in the coordinates of the factors, (M, r), if it is already computed.

    Raises:
        HeadSpecError: `lda` with no more training images than classes.
    """
    from threadpoolctl import threadpool_limits

    if spec.kind == "lda" and len(task.train) <= len(task.classes):
        raise HeadSpecError(
            f"lda needs more training images than classes. Received: {len(task.train)} images of {len(task.classes)} classes. "
            "Use ridge or logreg, or add images."
        )
    if projected is None:
        projected = factors.project(task.validation.flat)
    with threadpool_limits(1, user_api="blas"):
        return _fit_path(spec, factors, task, projected, seed)


def _fit_path(spec: LinearSpec, factors: Factors, task: Task, projected: Array, seed: int) -> list[Point]:
    train, validation, num_classes = task.train, task.validation, len(task.classes)
    y = np.tile(train.y, len(train.views) + 1)
    heads: Iterator[tuple[ArrayHead, Hits | None]]
    if spec.kind == "ridge":
        fits = fit_ridge(factors.decomposition, y, num_classes, spec.values, with_leave_one_out=not train.views)
        heads = ((as_head(fit.weights, fit.bias), fit.left_out_hits) for fit in fits)
    elif spec.kind == "knn":
        heads = ((head, None) for head in _neighbours(spec.values, factors, y, num_classes))
    elif spec.kind == "logreg":
        heads = ((as_head(fit.weights, fit.bias), None) for fit in fit_logistic(factors.X, y, num_classes, spec.values))
    else:
        heads = ((head, None) for head in _estimated(spec, factors, y, seed))
    points = []
    for value, (plain, left_out) in zip(spec.values, heads, strict=True):
        if isinstance(plain, LinearHead) and spec.kind not in ("logreg", "lda"):
            points.append(judge(value, plain, projected @ plain.weights + plain.bias, validation.y, left_out))
        else:
            points.append(_point(value, plain, plain.predict_proba(projected), validation.y))
    return points


def judge(value: float, head: LinearHead, scores: Array, y: Labels, left_out: Hits | None = None) -> Point:
    """A head with its temperature fitted to its validation scores (M, K), which are not log-probabilities."""
    temperature = _temperature_of(scores, y)
    return _point(value, replace(head, temperature=temperature), softmax(temperature * scores), y, left_out)


def _point(value: float, head: ArrayHead, probabilities: Array, y: Labels, left_out: Hits | None = None) -> Point:
    """A head with its scores on validation: probabilities (M, K) of images with labels (M,)."""
    hits = probabilities.argmax(axis=1) == y
    picked = probabilities[np.arange(len(y)), y].astype(np.float64)
    loss = float(-np.log(np.clip(picked, 1e-15, 1)).mean())
    if left_out is None:
        return Point(value, float(hits.mean()), loss, head, hits)
    return Point(value, float(hits.mean()), loss, head, left_out, float(left_out.mean()))


def cross_validated_accuracy(X: Array, y: Labels, *, num_folds: int = 5) -> float:
    """Accuracy of a logistic regression on standardized features (N, D), by stratified cross-validation with a fixed seed.

    A class with fewer images than folds lowers the number of folds, to two at least.

    Raises:
        DataLayoutError: No class has two images.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    counts = np.bincount(y)
    if counts.max() < 2:
        raise DataLayoutError(
            "A cross-validation needs two training images of a class at least. Received: one of each. Add images."
        )
    num_folds = max(2, min(num_folds, int(counts[counts > 0].min())))
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=0)
    estimator = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        return float(cross_val_score(estimator, X, y, cv=folds).mean())


def _estimated(spec: LinearSpec, factors: Factors, y: Labels, seed: int) -> Iterator[LinearHead]:
    """Heads fitted by scikit-learn."""
    estimator = new_estimator(spec.kind, seed)
    for value in spec.values:
        estimator.set_params(**{spec.parameter: value})
        with warnings.catch_warnings():
            # Weak regularisation needs many iterations on separable data; the fit at the iteration limit is used.
            warnings.filterwarnings("ignore", message=".*(failed to converge|Maximum number of iteration).*")
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="sklearn")
            estimator.fit(factors.X, y)
        yield as_head(np.atleast_2d(estimator.coef_).T, np.atleast_1d(estimator.intercept_))


def new_estimator(kind: str, seed: int) -> Any:
    """An estimator of scikit-learn. Only its own module is imported: that takes less time."""
    if kind == "lda":
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        return LinearDiscriminantAnalysis(solver="lsqr")
    if kind == "svm":
        from sklearn.svm import LinearSVC

        return LinearSVC(random_state=seed, dual="auto", max_iter=2000)
    from sklearn.linear_model import SGDClassifier

    return SGDClassifier(loss="log_loss", average=True, random_state=seed)


def _neighbours(values: Sequence[float], factors: Factors, y: Labels, num_classes: int) -> Iterator[NeighboursHead]:
    rows = unit_rows(factors.X)
    zero, one = _identity(factors.X.shape[1])
    for value in values:
        yield NeighboursHead(zero, one, rows, y, num_classes, min(int(value), len(rows)))


def as_head(weights: NDArray[np.floating], bias: NDArray[np.floating]) -> LinearHead:
    """A head of weights (r, K) and bias (K,), on features as they are; a single column is the score of class 1 of two."""
    if len(bias) == 1:
        weights = np.concatenate([np.zeros_like(weights), weights], axis=1)
        bias = np.concatenate([np.zeros_like(bias), bias])
    zero, one = _identity(len(weights))
    return LinearHead(zero, one, np.ascontiguousarray(weights, np.float32), bias.astype(np.float32), 1.0)


def _identity(num_coordinates: int) -> tuple[Array, Array]:
    """Mean 0 and scale 1."""
    return np.zeros(num_coordinates, np.float32), np.ones(num_coordinates, np.float32)


def _temperature_of(scores: Array, y: Labels) -> float:
    """Temperature scaling (Guo et al. 2017, arXiv:1706.04599): the factor t with the smallest loss on these images.

    The target of an image is (M + 1) / (M + 2) for its class, as in Platt (1999), section 2.2, and the rest in equal shares for the
    others: if all M images are classified correctly, plain targets would make every probability 1.

    The loss is convex in t. Its slope is the mean of E[score] under softmax(t * score), minus that under the targets. The zero of
    the slope is found by bisection of log t.
    """
    scores = scores.astype(np.float64)
    own, total, rest = scores[np.arange(len(y)), y].mean(), scores.sum(axis=1).mean(), 1 / (len(y) + 2)
    true = (1 - rest) * own + rest * (total - own) / max(scores.shape[1] - 1, 1)
    low, high = _LOG_TEMPERATURES
    for _ in range(40):
        middle = (low + high) / 2
        slope = (softmax(np.exp(middle) * scores) * scores).sum(axis=1).mean() - true
        low, high = (middle, high) if slope < 0 else (low, middle)
    return float(np.exp(low))
