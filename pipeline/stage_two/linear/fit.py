"""Fitting linear heads: one path over all values of the regularisation, on factors that are computed once.

Letters: N images, D features, r coordinates of the factors, K classes.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.linear.factors import Array, Factors, factor
from pipeline.stage_two.linear.heads import ArrayHead, LinearHead, NeighboursHead, softmax, unit_rows
from pipeline.stage_two.rows import Task
from pipeline.stage_two.spec import LinearSpec

Labels = NDArray[np.int64]

# Where all images are right, more certainty is always better: the interval's end is the answer.
_LOG_TEMPERATURES = (-5.0, 7.0)


@dataclass(frozen=True)
class Point:
    """A head of the path."""

    value: float
    accuracy: float
    """On validation."""

    loss: float
    """On validation."""

    head: ArrayHead
    """On the coordinates of the factors."""

    leave_one_out: float | None = None
    """Accuracy on each training image of the head fitted to all others; ridge alone, and only without views."""

    @property
    def rank(self) -> tuple[float, float]:
        """Smaller is better: by accuracy, then loss."""
        accuracy = self.accuracy if self.leave_one_out is None else self.leave_one_out
        return -accuracy, self.loss

    def as_dict(self) -> dict[str, float]:
        """What a run says of it."""
        known = {"value": self.value, "accuracy": self.accuracy, "loss": self.loss}
        return known if self.leave_one_out is None else known | {"leave_one_out": self.leave_one_out}


@dataclass(frozen=True)
class LinearFit:
    """A fitted head, and how each value of its regularisation did."""

    head: ArrayHead
    parameter: str
    value: float
    candidates: list[dict[str, float]]
    """One entry a value: the value, validation accuracy and loss; for ridge the accuracy by leave-one-out too."""


def fit_linear(spec: LinearSpec, task: Task, *, seed: int = 0, factors: Factors | None = None) -> LinearFit:
    """Fit on the training split; the regularisation is the one with the best validation accuracy.

    That of ridge is chosen by leave-one-out on the training images instead, which costs nothing more. Ties go to the
    smaller log loss on validation. Views of training images count as images. The test split is not looked at.

    Args:
        spec: The head and the values to choose from.
        task: Features and labels.
        seed: Of `svm` and `sgd`.
        factors: Those of the training split, where they are there already.
    """
    known = factors or factors_of(spec, task)
    return choose(spec, fit_path(spec, known, task, seed=seed), known)


def factors_of(spec: LinearSpec, task: Task) -> Factors:
    """The training split's; the same for all heads that scale alike, but for neighbours, which compare directions."""
    return factor(task.train.all_views().flat, spec.scale, is_centred=spec.kind != "knn")


def choose(spec: LinearSpec, path: Sequence[Point], factors: Factors) -> LinearFit:
    """The best head of those with the spec's values, on features as they come."""
    points = [point for point in path if point.value in spec.values]
    best = min(points, key=lambda point: point.rank)
    head = replace(best.head, mean=factors.mean, scale=factors.scale)
    if isinstance(head, LinearHead):
        head = replace(head, weights=factors.turn_back(head.weights))
    return LinearFit(head, spec.parameter, best.value, [point.as_dict() for point in points])


def fit_path(
    spec: LinearSpec, factors: Factors, task: Task, *, seed: int = 0, turned: Array | None = None
) -> list[Point]:
    """A head for each value of the spec, in their order.

    The many small products run in one thread: a second one gains little, and where other work shares
    the cores its waiting makes a fit ten times as long.

    Args:
        spec: The head and its values.
        factors: Those of the training split.
        task: Labels; the features of validation are read where they are not given turned.
        seed: Of `svm` and `sgd`.
        turned: Validation in the coordinates of the factors, (M, D) or (M, N - 1), where it is there already.
    """
    from threadpoolctl import threadpool_limits

    if turned is None:
        turned = factors.turn(task.validation.flat)
    with threadpool_limits(1, user_api="blas"):
        return _fit_path(spec, factors, task, turned, seed)


def _fit_path(spec: LinearSpec, factors: Factors, task: Task, turned: Array, seed: int) -> list[Point]:
    train, validation, num_classes = task.train, task.validation, len(task.classes)
    y = np.tile(train.y, len(train.views) + 1)
    heads: Iterator[tuple[ArrayHead, float | None]]
    if spec.kind == "ridge":
        heads = _ridge(spec.values, factors, y, num_classes, is_independent=not train.views)
    elif spec.kind == "knn":
        heads = ((head, None) for head in _neighbours(spec.values, factors, y, num_classes))
    else:
        heads = ((head, None) for head in _estimated(spec, factors, y, seed))
    points = []
    for value, (plain, leave_one_out) in zip(spec.values, heads, strict=True):
        if isinstance(plain, LinearHead) and spec.kind not in ("logreg", "lda"):
            points.append(judge(value, plain, turned @ plain.weights + plain.bias, validation.y, leave_one_out))
            continue
        accuracy, loss = _accuracy_and_loss(plain.predict_proba(turned), validation.y)
        points.append(Point(value, accuracy, loss, plain, leave_one_out))
    return points


def judge(value: float, head: LinearHead, scores: Array, y: Labels, leave_one_out: float | None = None) -> Point:
    """A head whose scores are no log-probabilities, by its scores (N, K) on validation, with its temperature fitted there."""
    temperature = _temperature_of(scores, y)
    accuracy, loss = _accuracy_and_loss(softmax(temperature * scores), y)
    return Point(value, accuracy, loss, replace(head, temperature=temperature), leave_one_out)


def cross_validated_accuracy(X: Array, y: Labels, *, num_folds: int = 5) -> float:
    """Accuracy of a logistic regression on standardized features (N, D), by stratified folds with a fixed seed."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    folds = StratifiedKFold(num_folds, shuffle=True, random_state=0)
    estimator = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    with threadpool_limits(1, user_api="blas"):
        return float(cross_val_score(estimator, X, y, cv=folds).mean())


def _estimated(spec: LinearSpec, factors: Factors, y: Labels, seed: int) -> Iterator[LinearHead]:
    """Heads of scikit-learn's estimators; each logistic regression starts from the one before."""
    estimator = new_estimator(spec.kind, seed)
    for value in spec.values:
        estimator.set_params(**{spec.parameter: value})
        with warnings.catch_warnings():
            # Weak regularisation on separable data has no finite optimum: the iteration limit is the answer.
            warnings.filterwarnings("ignore", message=".*(failed to converge|Maximum number of iteration).*")
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="sklearn")
            estimator.fit(factors.X, y)
        yield as_head(np.atleast_2d(estimator.coef_).T, np.atleast_1d(estimator.intercept_))


def new_estimator(kind: str, seed: int) -> Any:
    """Each from its own module: what is not needed is not imported."""
    if kind == "lda":
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        return LinearDiscriminantAnalysis(solver="lsqr")
    if kind == "svm":
        from sklearn.svm import LinearSVC

        return LinearSVC(random_state=seed, dual="auto", max_iter=2000)
    from sklearn.linear_model import LogisticRegression, SGDClassifier

    if kind == "sgd":
        return SGDClassifier(loss="log_loss", average=True, random_state=seed)
    return LogisticRegression(max_iter=300, warm_start=True)


def _ridge(
    values: Sequence[float], factors: Factors, y: Labels, num_classes: int, *, is_independent: bool
) -> Iterator[tuple[ArrayHead, float | None]]:
    """Ridge on targets -1 and 1 for all values at once, with the accuracy by leave-one-out.

    With X = U diag(s) V' and centred columns the fit is U diag(s^2 / (s^2 + alpha)) U' Y, and an image's residual without
    itself is its residual divided by 1 - h, h its entry on the diagonal of that matrix (Hastie, Tibshirani & Friedman 2009,
    The Elements of Statistical Learning, 3.4.1 and 7.10). Views of one image are no independent images: no leave-one-out.
    """
    left, lengths, right = factors.singular_vectors
    Y = targets_of(y, num_classes)
    offset = Y.mean(axis=0)
    target = left.T @ (Y - offset)
    squares = left**2 if is_independent else None
    for value in values:
        share = lengths**2 / (lengths**2 + value)
        weights = (lengths / (lengths**2 + value))[:, None] * target
        leave_one_out = None
        if squares is not None:
            residual = Y - offset - left @ (share[:, None] * target)
            leverage = 1 / len(y) + squares @ share
            without = Y - residual / np.maximum(1 - leverage, 1e-12)[:, None]
            answer = (without[:, 0] > 0).astype(np.int64) if num_classes == 2 else without.argmax(axis=1)
            leave_one_out = float((answer == y).mean())
        yield as_head(right @ weights, offset), leave_one_out


def targets_of(y: Labels, num_classes: int) -> NDArray[np.float64]:
    """What ridge fits: 1 for an image's class and -1 for the others, (N, K); class 1 alone of two, (N, 1)."""
    Y = np.where(y[:, None] == np.arange(num_classes), 1.0, -1.0)
    return Y[:, 1:] if num_classes == 2 else Y


def _neighbours(values: Sequence[float], factors: Factors, y: Labels, num_classes: int) -> Iterator[NeighboursHead]:
    rows = unit_rows(factors.X)
    zero, one = _nothing(factors.X.shape[1])
    for value in values:
        yield NeighboursHead(zero, one, rows, y, num_classes, min(int(value), len(rows)))


def as_head(weights: NDArray[np.floating], bias: NDArray[np.floating]) -> LinearHead:
    """Weights (r, K) and bias (K,); one column for two classes is the log-odds of class 1."""
    if len(bias) == 1:
        weights = np.concatenate([np.zeros_like(weights), weights], axis=1)
        bias = np.concatenate([np.zeros_like(bias), bias])
    zero, one = _nothing(len(weights))
    return LinearHead(zero, one, np.ascontiguousarray(weights, np.float32), bias.astype(np.float32), 1.0)


def _nothing(num_coordinates: int) -> tuple[Array, Array]:
    """Mean and scale that change nothing."""
    return np.zeros(num_coordinates, np.float32), np.ones(num_coordinates, np.float32)


def _temperature_of(scores: Array, y: Labels) -> float:
    """Temperature scaling (Guo et al. 2017, arXiv:1706.04599): the factor with the least loss on these images.

    The loss is convex in the factor t, its slope the mean of E[score] - score of the true class with probabilities
    softmax(t score); the slope's zero is found by halving an interval of log t.
    """
    scores = scores.astype(np.float64)
    true = scores[np.arange(len(y)), y].mean()
    low, high = _LOG_TEMPERATURES
    for _ in range(40):
        middle = (low + high) / 2
        slope = (softmax(np.exp(middle) * scores) * scores).sum(axis=1).mean() - true
        low, high = (middle, high) if slope < 0 else (low, middle)
    return float(np.exp(low))


def _accuracy_and_loss(probabilities: Array, y: Labels) -> tuple[float, float]:
    picked = probabilities[np.arange(len(y)), y].astype(np.float64)
    return float((probabilities.argmax(axis=1) == y).mean()), float(-np.log(np.clip(picked, 1e-15, 1)).mean())
