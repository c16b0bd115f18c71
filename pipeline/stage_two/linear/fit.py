"""Fitting linear heads for all values of their regularisation, on factors that are computed once.

Letters: N training images, M validation images, D features, r coordinates of the factors, K outputs, C columns of least squares.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, HeadSpecError
from pipeline.stage_two.linear.factors import Array, Factors, factor
from pipeline.stage_two.linear.heads import ArrayHead, LinearHead, NeighbourMeansHead, NeighboursHead, unit_rows
from pipeline.stage_two.linear.logistic import fit_labels, fit_logistic
from pipeline.stage_two.linear.regularisation import choose_best
from pipeline.stage_two.linear.ridge import fit_ridge_columns
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import LinearSpec
from pipeline.tasks.links import apply_link, temperature_of
from pipeline.tasks.targets import Double, Problem, Targets
from pipeline.tasks.task import Judged, Task

Labels = NDArray[np.int64]


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
    head: ArrayHead
    """Takes features in the coordinates of the factors."""

    validation: Judged
    left_out: Judged | None = None
    """Of the training images, each by the head fitted to all others; only for ridge without views."""

    left_out_scores: NDArray[np.float64] | None = None
    """The scores of the training images, each by the head fitted to all others, (N, C); as `left_out`."""

    @property
    def accuracy(self) -> float:
        """On validation."""
        return self.validation.accuracy

    @property
    def hits(self) -> NDArray[np.bool_] | None:
        """Whether each answer that the choice is made on is right: on validation, or as `left_out`; None for numbers."""
        return (self.left_out or self.validation).hits

    @property
    def loss(self) -> float:
        """The loss that the choice is made by: on validation; for numbers on all images that the head has not seen, with `left_out`."""
        seen, other = self.validation, self.left_out
        if other is None or self.hits is not None:
            return seen.loss
        return (seen.count * seen.loss + other.count * other.loss) / max(seen.count + other.count, 1)

    @property
    def candidate(self) -> Candidate:
        """Its value and scores."""
        judged = self.validation
        return Candidate(self.value, judged.accuracy, judged.loss, self.left_out.accuracy if self.left_out else None)


@dataclass(frozen=True)
class LinearFit:
    """A fitted head, and the scores of each value of its regularisation."""

    head: ArrayHead
    parameter: str
    value: float
    candidates: tuple[Candidate, ...]
    """One per value."""

    left_out_scores: NDArray[np.float64] | None = None
    """As in `Point`, of the chosen value."""


def fit_linear(spec: LinearSpec, labelled: LabelledRows, *, seed: int = 0) -> LinearFit:
    """Fit on the training split, and choose the regularisation: the smallest validation log loss, unless it costs accuracy.

    Values with significantly less accuracy than the best one are left out (see `pipeline.stage_two.linear.regularisation`). The
    accuracy of ridge is that of leave-one-out on the training images, which is computed with the fit; that of the others is on the
    validation images. Views of training images count as images. The test split is not used.

    Args:
        spec: The head and the values to choose from.
        labelled: Features and targets.
        seed: Of `svm` and `sgd`.
    """
    factors = factors_of(spec, labelled)
    return choose(spec, fit_path(spec, factors, labelled, seed=seed), factors)


def factors_of(spec: LinearSpec, labelled: LabelledRows, shared: dict[LinearSpec, Factors] | None = None) -> Factors:
    """Factors of the training split, as in `prepare`."""
    return prepare(spec, labelled.train.all_views().flat, shared)


def prepare(spec: LinearSpec, X: Array, shared: dict[LinearSpec, Factors] | None = None) -> Factors:
    """Factors of features (N, D); neighbours, which compare directions, have no projection.

    Args:
        spec: The head.
        X: The features.
        shared: Factors of these features that are already computed, by preparation; new ones are added.
    """
    shared = {} if shared is None else shared
    wanted = spec.preparation
    whole = replace(wanted, pca=None, whiten=False)
    if whole not in shared:
        shared[whole] = factor(X, spec.scale, norm=spec.norm, is_centred=spec.kind != "knn")
    if spec.pca and wanted not in shared:
        shared[wanted] = shared[whole].on_components(spec.pca, whiten=spec.whiten)
    return shared[wanted]


def choose(spec: LinearSpec, path: Sequence[Point], factors: Factors) -> LinearFit:
    """The best head among those with the values of the spec; it takes unscaled features (N, D)."""
    points = [point for point in path if point.value in spec.values]
    best = choose_best(points)
    head = replace(best.head, mean=factors.mean, scale=factors.scale)
    if isinstance(head, LinearHead):
        head = replace(head, weights=factors.unproject(head.weights), norm=factors.norm)
    return LinearFit(head, spec.parameter, best.value, tuple(point.candidate for point in points), best.left_out_scores)


def fit_path(
    spec: LinearSpec, factors: Factors, labelled: LabelledRows, *, seed: int = 0, projected: Array | None = None
) -> list[Point]:
    """A head for each value of the spec, in their order.

    The many small matrix products run in one thread. A second thread gains little, and if other work uses the cores, waiting for
    it makes a fit ten times as long.

    Args:
        spec: The head and its values.
        factors: Those of the training split.
        labelled: Targets, and the features of the validation split unless `projected` is given.
        seed: Of `svm` and `sgd`.
        projected: The validation split in the coordinates of the factors, (M, r), if it is already computed.

    Raises:
        HeadSpecError: As in `check_head`.
    """
    from threadpoolctl import threadpool_limits

    check_head(spec, labelled.train, labelled.task)
    if projected is None:
        projected = factors.project(labelled.validation.flat)
    # What is nearly 0 is 0, whatever the program has told numpy.
    with threadpool_limits(1, user_api="blas"), np.errstate(under="ignore"):
        return _fit_path(spec, factors, labelled, projected, seed)


def check_head(spec: LinearSpec, train: Split, task: Task) -> None:
    """Check that a head can be fitted to these images.

    Raises:
        HeadSpecError: `lda` with no more training images than classes, or `knn` with weights.
    """
    if spec.kind == "lda" and len(train) <= len(task.names):
        raise HeadSpecError(
            f"lda needs more training images than classes. Received: {len(train)} images of {len(task.names)} classes. "
            "Use ridge or logreg, or add images."
        )
    if spec.kind == "knn" and train.weights is not None:
        able = ", ".join(kind for kind in task.heads if kind != "knn")
        raise HeadSpecError(
            f"knn has no class weights. Expected one of {able}, or a dense head; or leave out --class-weight."
        )


def _fit_path(spec: LinearSpec, factors: Factors, labelled: LabelledRows, projected: Array, seed: int) -> list[Point]:
    train, task, y = labelled.train, labelled.task, labelled.validation.y
    if spec.kind == "ridge":
        return list(_ridge_points(spec, factors, train, task, projected, y))
    pairs = zip(spec.values, fit_heads(spec, factors, train, task, seed), strict=True)
    return [judge(value, head, projected, task, y, fit_temperature=spec.kind in UNCALIBRATED) for value, head in pairs]


def fit_heads(spec: LinearSpec, factors: Factors, train: Split, task: Task, seed: int) -> Iterator[ArrayHead]:
    """A head for each value of a spec that is not ridge, without a temperature; they take the coordinates of the factors."""
    if spec.kind == "knn":
        return _neighbours(spec.values, factors, train.all_targets, task)
    if spec.kind == "logreg":
        return _logistic(spec.values, factors.X, train.all_targets, task, train.all_weights)
    return _estimated(spec, factors, train, task, seed)


UNCALIBRATED = ("ridge", "svm", "sgd")
"""Heads whose sums are not log-probabilities; their temperature is fitted on validation."""


def _ridge_points(
    spec: LinearSpec, factors: Factors, train: Split, task: Task, projected: Array, y: Targets
) -> Iterator[Point]:
    """Ridge for each value, judged on validation and by leave-one-out."""
    Y = task.columns(train.all_targets)
    fits = fit_ridge_columns(
        factors.X,
        lambda: factors.decomposition,
        Y,
        spec.values,
        train.all_weights,
        with_leave_one_out=not train.views,
    )
    for value, fit in zip(spec.values, fits, strict=True):
        point = judge(value, as_head(fit.weights, fit.bias, task.link), projected, task, y, fit_temperature=True)
        if fit.left_out is None:
            yield point
        else:
            yield replace(point, left_out=task.judge_left_out(fit.left_out, train.y), left_out_scores=fit.left_out)


def judge(value: float, head: ArrayHead, projected: Array, task: Task, y: Targets, *, fit_temperature: bool) -> Point:
    """A head with its scores on validation, and with its temperature fitted to them.

    Args:
        value: The regularisation.
        head: The head.
        projected: The validation images in its coordinates, (M, r).
        task: What is asked.
        y: Their targets.
        fit_temperature: The sums of the head are not log-probabilities.
    """
    if fit_temperature and isinstance(head, LinearHead):
        return judge_scores(value, head, head.scores(projected), task, y)
    return Point(value, head, task.judge(head.outputs(projected), y))


def judge_scores(value: float, head: LinearHead, scores: NDArray[np.floating], task: Task, y: Targets) -> Point:
    """A head with its temperature fitted to its sums on validation, (M, K)."""
    head = replace(head, temperature=temperature_of(head.link, scores, y))
    return Point(value, head, task.judge(apply_link(head.link, head.temperature * scores), y))


def cross_validated_accuracy(X: Array, y: Labels) -> float:
    """Accuracy of a logistic regression on standardized features (N, D), by stratified cross-validation in five folds with a fixed seed.

    A class with fewer images than that lowers the number of folds, to two at least.

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
    num_folds = max(2, min(5, int(counts[counts > 0].min())))
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=0)
    estimator = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        return float(cross_val_score(estimator, X, y, cv=folds).mean())


def _logistic(
    values: Sequence[float], X: Array, y: Targets, task: Task, weights: Double | None
) -> Iterator[LinearHead]:
    """Logistic regressions; of labels all together, without those of which all answers are equal."""
    if y.ndim == 1:
        for fit in fit_logistic(X, y, len(task.names), values, weights):
            yield as_head(fit.weights, fit.bias, task.link)
        return
    solved = [problem.constant_solution(X.shape[1]) if problem.is_constant else None for problem in task.problems(y)]
    learnt = [k for k, solution in enumerate(solved) if solution is None]
    W, b = np.zeros((X.shape[1], len(solved))), np.zeros(len(solved))
    for k, solution in enumerate(solved):
        b[k] = 0 if solution is None else solution[1][0]
    if not learnt:
        yield from [as_head(W, b, task.link)] * len(values)
        return
    for fit in fit_labels(X, y[:, learnt], values, weights):
        W[:, learnt], b[learnt] = fit.weights, fit.bias
        yield as_head(W.copy(), b.copy(), task.link)


def _estimated(spec: LinearSpec, factors: Factors, train: Split, task: Task, seed: int) -> Iterator[LinearHead]:
    """Heads fitted by scikit-learn."""
    problems, weights = task.problems(train.all_targets), train.all_weights
    squares = np.square(factors.X).sum(axis=1) if spec.kind == "sgd" else np.ones(1)
    longest = float(np.quantile(squares, _LONG_SHARE))
    estimators = [new_estimator(spec.kind, seed, task, longest) for _ in problems]
    if spec.kind == "lda" and weights is not None:
        shares = np.bincount(train.all_targets, weights)[np.unique(train.all_targets)]
        estimators[0].set_params(priors=shares / shares.sum())
        weights = None
    for value in spec.values:
        solutions = [
            _solve(estimator.set_params(**{spec.parameter: value}), problem, factors.X, weights)
            for estimator, problem in zip(estimators, problems, strict=True)
        ]
        coefficients, bias = (np.concatenate(parts, axis=0) for parts in zip(*solutions, strict=True))
        yield as_head(coefficients.T, bias, task.link)


def _solve(estimator: Any, problem: Problem, X: Array, weights: Double | None) -> tuple[Double, Double]:
    """Coefficients (C, r) and biases (C,) of one problem, in the units of the data."""
    rows, y = problem.rows, problem.y
    if problem.is_constant:
        return problem.constant_solution(X.shape[1])
    options = {} if weights is None else {"sample_weight": weights[rows]}
    with warnings.catch_warnings():
        # Weak regularisation needs many iterations on separable data; the fit at the iteration limit is used.
        warnings.filterwarnings("ignore", message=".*(failed to converge|Maximum number of iteration).*")
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="sklearn")
        estimator.fit(X if len(rows) == len(X) else X[rows], y, **options)
    return problem.in_units(estimator.coef_, estimator.intercept_)


_LONG_SHARE = 0.99


def new_estimator(kind: str, seed: int, task: Task, longest: float) -> Any:
    """An estimator of scikit-learn. Only its own module is imported: that takes less time.

    Args:
        kind: The head.
        seed: Of `svm` and `sgd`.
        task: What is asked.
        longest: Squared length of a long row. A step of least squares makes errors larger if it is more than 2 over the squared length of
            its row, so the first steps of `sgd` for numbers are 0.5 over this.
    """
    if kind == "lda":
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        return LinearDiscriminantAnalysis(solver="lsqr")
    if kind == "svm":
        from sklearn.svm import LinearSVC

        return LinearSVC(random_state=seed, dual="auto", max_iter=2000)
    from sklearn.linear_model import SGDClassifier, SGDRegressor

    if task.link == "identity":
        return SGDRegressor(average=True, random_state=seed, eta0=0.5 / max(longest, 1e-6))
    return SGDClassifier(loss="log_loss", average=True, random_state=seed)


def _neighbours(values: Sequence[float], factors: Factors, y: Targets, task: Task) -> Iterator[ArrayHead]:
    rows = unit_rows(factors.X)
    zero, one = _identity(factors.X.shape[1])
    for value in values:
        k = min(int(value), len(rows))
        if y.ndim == 1:
            yield NeighboursHead(zero, one, rows, y, len(task.names), k)
        else:
            yield NeighbourMeansHead(zero, one, rows, np.nan_to_num(y), np.isfinite(y), k)


def as_head(weights: NDArray[np.floating], bias: NDArray[np.floating], link: str) -> LinearHead:
    """A head of weights (r, K) and bias (K,), on features as they are; before a softmax a single column is the score of class 1 of two."""
    if link == "softmax" and len(bias) == 1:
        weights = np.concatenate([np.zeros_like(weights), weights], axis=1)
        bias = np.concatenate([np.zeros_like(bias), bias])
    zero, one = _identity(len(weights))
    return LinearHead(zero, one, np.ascontiguousarray(weights, np.float32), bias.astype(np.float32), 1.0, link)


def _identity(num_coordinates: int) -> tuple[Array, Array]:
    """Mean 0 and scale 1."""
    return np.zeros(num_coordinates, np.float32), np.ones(num_coordinates, np.float32)
