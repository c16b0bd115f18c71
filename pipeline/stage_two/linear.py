"""Linear heads: fitted by scikit-learn, kept as plain arrays, used with numpy alone.

Letters: N images, D features, K classes.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError
from pipeline.stage_two.features import Split, Task
from pipeline.stage_two.spec import LinearSpec

Array = NDArray[np.float32]


@dataclass(frozen=True)
class LinearHead:
    """p = softmax(temperature * (((x - mean) / scale) W + b))."""

    mean: Array
    """(D,)"""
    scale: Array
    """(D,)"""
    weights: Array
    """W, (D, K)"""
    bias: Array
    """b, (K,)"""
    temperature: float
    """1 for heads whose scores are log-probabilities; fitted on validation for the others."""

    def predict_proba(self, X: Array) -> Array:
        """Probabilities, float32 (N, K), of features (N, D)."""
        scores = ((X - self.mean) / self.scale) @ self.weights + self.bias
        return softmax(self.temperature * scores)

    @property
    def num_parameters(self) -> int:
        return self.weights.size + self.bias.size

    def arrays(self) -> dict[str, Array]:
        """All there is to save."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "weights": self.weights,
            "bias": self.bias,
            "temperature": np.float32(self.temperature).reshape(1),
        }


@dataclass(frozen=True)
class NeighboursHead:
    """Share of each class among the k nearest training images, by the cosine of scaled features.

    Cosine, because the length of a feature vector tells of contrast more than of content.
    """

    mean: Array
    """(D,)"""
    scale: Array
    """(D,)"""
    rows: Array
    """Scaled training features at unit length, (M, D)"""
    labels: NDArray[np.int64]
    """(M,)"""
    num_classes: int
    k: int

    def predict_proba(self, X: Array) -> Array:
        """Probabilities, float32 (N, K), of features (N, D)."""
        closeness = _unit((X - self.mean) / self.scale) @ self.rows.T
        nearest = np.argsort(-closeness, axis=1, kind="stable")[:, : self.k]
        votes = self.labels[nearest][..., None] == np.arange(self.num_classes)
        shares: Array = votes.mean(axis=1, dtype=np.float32)
        return shares

    @property
    def num_parameters(self) -> int:
        return self.rows.size

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All there is to save."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "rows": self.rows,
            "labels": self.labels,
            "num_classes": np.array([self.num_classes]),
            "k": np.array([self.k]),
        }


ArrayHead = LinearHead | NeighboursHead


def head_from_arrays(arrays: dict[str, NDArray[Any]]) -> ArrayHead:
    """The head whose `arrays()` these are.

    Raises:
        DamagedStoreError: Arrays are missing, or their shapes do not fit each other.
    """
    try:
        if "rows" in arrays:
            neighbours = NeighboursHead(
                arrays["mean"],
                arrays["scale"],
                arrays["rows"],
                arrays["labels"],
                int(arrays["num_classes"][0]),
                int(arrays["k"][0]),
            )
            fits = (
                neighbours.rows.shape == (len(neighbours.labels), len(neighbours.mean))
                and neighbours.labels.ndim == 1
                and 1 <= neighbours.k <= len(neighbours.labels)
                and 0 <= neighbours.labels.min() <= neighbours.labels.max() == neighbours.num_classes - 1
            )
            head: ArrayHead = neighbours
        else:
            linear = LinearHead(
                arrays["mean"], arrays["scale"], arrays["weights"], arrays["bias"], float(arrays["temperature"][0])
            )
            fits = linear.weights.shape == (len(linear.mean), len(linear.bias)) and linear.bias.ndim == 1
            head = linear
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DamagedStoreError(f"Not the arrays of a linear head: {error}. Received: {sorted(arrays)}.") from error
    if not fits or head.mean.ndim != 1 or head.mean.shape != head.scale.shape:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise DamagedStoreError(f"The arrays of the head do not fit each other: {shapes}.")
    return head


@dataclass(frozen=True)
class LinearFit:
    """A fitted head, and how each value of its regularisation did on validation."""

    head: ArrayHead
    parameter: str
    value: float
    candidates: list[dict[str, float]]
    """One entry a value: the value, validation accuracy and loss."""


def fit_linear(spec: LinearSpec, task: Task, *, seed: int = 0) -> LinearFit:
    """Fit on the training split; the regularisation is the one with the best validation accuracy.

    Ties go to the smaller log loss. Views of training images count as images. The test split is not looked at.
    """
    task = replace(task, splits={**task.splits, "train": task.train.all_views()})
    mean, scale = _scaling(task.train.flat, spec.scale)
    scaled = (task.train.flat - mean) / scale
    make = _neighbours(scaled, task) if spec.kind == "knn" else _estimator(spec.kind, scaled, task, seed)
    fitted = []
    for value in spec.values:
        head = make(value, mean, scale)
        probabilities = head.predict_proba(task.validation.flat)
        accuracy, loss = _accuracy_and_loss(probabilities, task.validation.y)
        fitted.append((-accuracy, loss, value, head))
    best = min(fitted, key=lambda entry: entry[:2])
    candidates = [{"value": value, "accuracy": -negative, "loss": loss} for negative, loss, value, _ in fitted]
    return LinearFit(best[3], spec.parameter, best[2], candidates)


def cross_validated_accuracy(X: Array, y: NDArray[np.int64], *, num_folds: int = 5) -> float:
    """Accuracy of a logistic regression on standardized features (N, D), by stratified folds with a fixed seed."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = StratifiedKFold(num_folds, shuffle=True, random_state=0)
    estimator = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    return float(cross_val_score(estimator, X, y, cv=folds).mean())


def softmax(scores: NDArray[np.floating]) -> Array:
    """Row-wise, (N, K) to (N, K)."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Array = (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


_Make = Callable[[float, Array, Array], ArrayHead]


def _estimator(kind: str, scaled: Array, task: Task, seed: int) -> _Make:
    """A function from a regularisation value to a fitted head.

    With more features than images the features are first turned into the space that their rows
    span. All these heads penalise weights by their Euclidean length or not at all, so the solution
    lies in that space and nothing is lost (Hastie & Tibshirani 2004, Efficient quadratic
    regularization for expression arrays); 8,192 columns become at most N. Only lda's shrinkage means
    something else there: it pulls towards the mean variance of r directions, which is D / r times that
    of D columns.
    """
    basis = _row_space(scaled) if scaled.shape[1] > scaled.shape[0] else None
    X = scaled if basis is None else scaled @ basis

    def make(value: float, mean: Array, scale: Array) -> ArrayHead:
        estimator = _new_estimator(kind, value, seed)
        with warnings.catch_warnings():
            # Weak regularisation on separable data has no finite optimum: the iteration limit is the answer.
            warnings.filterwarnings("ignore", message=".*(failed to converge|Maximum number of iteration).*")
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="sklearn")
            estimator.fit(X, task.train.y)
        weights, bias = _columns(np.atleast_2d(estimator.coef_), np.atleast_1d(estimator.intercept_))
        head = LinearHead(mean, scale, weights if basis is None else basis @ weights, bias, 1.0)
        return head if kind in ("logreg", "lda") else _with_temperature(head, task.validation)

    return make


def _new_estimator(kind: str, value: float, seed: int) -> Any:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
    from sklearn.svm import LinearSVC

    if kind == "logreg":
        return LogisticRegression(C=value, max_iter=300)
    if kind == "svm":
        return LinearSVC(C=value, random_state=seed, dual="auto", max_iter=2000)
    if kind == "ridge":
        return RidgeClassifier(alpha=value)
    if kind == "sgd":
        return SGDClassifier(loss="log_loss", alpha=value, average=True, random_state=seed)
    return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=value)


def _neighbours(scaled: Array, task: Task) -> _Make:
    rows = _unit(scaled)

    def make(value: float, mean: Array, scale: Array) -> ArrayHead:
        return NeighboursHead(mean, scale, rows, task.train.y, len(task.classes), min(int(value), len(rows)))

    return make


def _scaling(X: Array, scale: str) -> tuple[Array, Array]:
    """Mean and deviation of each feature, (D,); features that never change keep their size."""
    if scale == "none":
        return np.zeros(X.shape[1], np.float32), np.ones(X.shape[1], np.float32)
    deviation = X.std(axis=0)
    return X.mean(axis=0), np.where(deviation > 0, deviation, 1).astype(np.float32)


def _unit(X: Array) -> Array:
    """Rows at length 1, as Keras's UnitNormalization makes them."""
    unit: Array = X / np.sqrt(np.maximum((X**2).sum(axis=1, keepdims=True), 1e-12))
    return unit


def _row_space(X: Array) -> Array:
    """Orthonormal basis of the rows of X, (N, D) to (D, r) with r <= N, by the eigenvectors of X X'."""
    values, vectors = np.linalg.eigh((X @ X.T).astype(np.float64))
    kept = values > values[-1] * 1e-7  # below this, float32 features hold rounding only
    basis: Array = (X.T @ (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)).astype(np.float32)
    return basis


def _columns(coefficients: NDArray[np.floating], intercept: NDArray[np.floating]) -> tuple[Array, Array]:
    """scikit-learn's (K, D), or (1, D) for two classes, to W (D, K) and b (K,)."""
    if len(coefficients) == 1:  # the one score is the log-odds of class 1
        coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
        intercept = np.concatenate([np.zeros_like(intercept), intercept])
    return coefficients.T.astype(np.float32), intercept.astype(np.float32)


def _with_temperature(head: LinearHead, validation: Split) -> LinearHead:
    """Temperature scaling (Guo et al. 2017, arXiv:1706.04599): the factor with the least validation loss."""
    from scipy.optimize import minimize_scalar

    scores = ((validation.flat - head.mean) / head.scale) @ head.weights + head.bias

    def loss(log_temperature: float) -> float:
        return _accuracy_and_loss(softmax(np.exp(log_temperature) * scores), validation.y)[1]

    found = minimize_scalar(loss, bounds=(-5, 7), method="bounded")
    return LinearHead(head.mean, head.scale, head.weights, head.bias, float(np.exp(found.x)))


def _accuracy_and_loss(probabilities: Array, y: NDArray[np.int64]) -> tuple[float, float]:
    picked = probabilities[np.arange(len(y)), y].astype(np.float64)
    return float((probabilities.argmax(axis=1) == y).mean()), float(-np.log(np.clip(picked, 1e-15, 1)).mean())
