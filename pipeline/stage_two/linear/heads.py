"""Fitted linear heads as plain arrays; they predict with numpy alone. `pipeline.stage_two.linear.fit` fits them.

Letters: N images, D features, K outputs: classes, labels or numbers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError
from pipeline.stage_two.spec import NORMS
from pipeline.tasks.links import LINKS, apply_link
from pipeline.tasks.targets import Outputs

Array = NDArray[np.float32]


@dataclass(frozen=True)
class LinearHead:
    """link(temperature * (((x - mean) / scale) W + b)); with the norm `l2`, x is first divided by its length."""

    mean: Array
    """(D,)"""
    scale: Array
    """(D,)"""
    weights: Array
    """W, (D, K)"""
    bias: Array
    """b, (K,)"""
    temperature: float
    """1 for heads whose sums are log-probabilities, and for numbers; fitted on the validation split for the others."""
    link: str = "softmax"
    """`softmax`, `sigmoid` or `identity`."""
    norm: str = NORMS[0]
    """`none` or `l2`."""

    def outputs(self, X: Array) -> Outputs:
        """Outputs, float32 (N, K), of features (N, D)."""
        return apply_link(self.link, self.temperature * self.scores(X))

    def scores(self, X: Array) -> NDArray[np.floating]:
        """The sums before temperature and link, (N, K)."""
        _check_width(X, self.mean)
        X = X if self.norm == NORMS[0] else unit_rows(X)
        return ((X - self.mean) / self.scale) @ self.weights + self.bias

    @property
    def num_outputs(self) -> int:
        """K."""
        return len(self.bias)

    @property
    def num_parameters(self) -> int:
        """Number of weights and biases."""
        return self.weights.size + self.bias.size

    def __repr__(self) -> str:
        num_features, num_outputs = self.weights.shape
        return f"LinearHead({num_features} features, {num_outputs} outputs, {self.link})"

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays to save, by name.

        The link is its position in `LINKS`, left out for a softmax; the norm is its position in `NORMS`, left out for `none`:
        older versions had neither.
        """
        arrays: dict[str, NDArray[Any]] = {
            "mean": self.mean,
            "scale": self.scale,
            "weights": self.weights,
            "bias": self.bias,
            "temperature": np.float32(self.temperature).reshape(1),
        }
        chosen = {"link": LINKS.index(self.link), "norm": NORMS.index(self.norm)}
        return arrays | {name: np.array([position]) for name, position in chosen.items() if position}


@dataclass(frozen=True)
class NeighboursHead:
    """Share of each class among the k nearest training images, by the cosine similarity of scaled features.

    Cosine, because the length of a feature vector depends more on the contrast of the image than on its content.
    """

    mean: Array
    """(D,)"""
    scale: Array
    """(D,)"""
    rows: Array
    """Scaled training features of M images, each row of length 1, (M, D)"""
    labels: NDArray[np.int64]
    """(M,)"""
    num_outputs: int
    k: int

    def outputs(self, X: Array) -> Outputs:
        """Probabilities, float32 (N, K), of features (N, D)."""
        votes = self.labels[_nearest(self, X)][..., None] == np.arange(self.num_outputs)
        shares: Outputs = votes.mean(axis=1, dtype=np.float32)
        return shares

    @property
    def num_parameters(self) -> int:
        """Number of values in the training rows that are kept."""
        return self.rows.size

    def __repr__(self) -> str:
        num_images, num_features = self.rows.shape
        return f"NeighboursHead(k={self.k}, {num_images} images, {num_features} features, {self.num_outputs} classes)"

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays to save, by name."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "rows": self.rows,
            "labels": self.labels,
            "num_classes": np.array([self.num_outputs]),
            "k": np.array([self.k]),
        }


@dataclass(frozen=True)
class NeighbourMeansHead:
    """Mean of the labels or numbers of the k nearest training images, as in `NeighboursHead`; unknown ones are left out."""

    mean: Array
    """(D,)"""
    scale: Array
    """(D,)"""
    rows: Array
    """Scaled training features of M images, each row of length 1, (M, D)"""
    targets: Array
    """(M, K); 0 where it is not known"""
    known: NDArray[np.bool_]
    """(M, K)"""
    k: int

    def outputs(self, X: Array) -> Outputs:
        """Means, float32 (N, K), of features (N, D); the mean of all images where no answer of the neighbours is known."""
        nearest = _nearest(self, X)
        counts, sums = self.known[nearest].sum(axis=1), self.targets[nearest].sum(axis=1, dtype=np.float64)
        overall = self.targets.sum(axis=0, dtype=np.float64) / np.maximum(self.known.sum(axis=0), 1)
        means: NDArray[np.float64] = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
        return means.astype(np.float32)

    @property
    def num_outputs(self) -> int:
        """K."""
        return int(self.targets.shape[1])

    @property
    def num_parameters(self) -> int:
        """Number of values in the training rows that are kept."""
        return self.rows.size

    def __repr__(self) -> str:
        num_images, num_features = self.rows.shape
        return (
            f"NeighbourMeansHead(k={self.k}, {num_images} images, {num_features} features, {self.num_outputs} outputs)"
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays to save, by name."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "rows": self.rows,
            "targets": self.targets,
            "known": self.known.astype(np.uint8),
            "k": np.array([self.k]),
        }


def _nearest(head: "NeighboursHead | NeighbourMeansHead", X: Array) -> NDArray[np.int64]:
    """Positions of the k nearest training images, (N, k)."""
    _check_width(X, head.mean)
    similarity = unit_rows((X - head.mean) / head.scale) @ head.rows.T
    return np.argsort(-similarity, axis=1, kind="stable")[:, : head.k]


ArrayHead = LinearHead | NeighboursHead | NeighbourMeansHead


def head_from_arrays(arrays: dict[str, NDArray[Any]], origin: object = "The file") -> ArrayHead:
    """The head whose `arrays()` these are.

    Args:
        arrays: By name.
        origin: The file, for messages.

    Raises:
        DamagedStoreError: Arrays are missing, their types or shapes do not fit, or a value is NaN or infinite.
    """
    try:
        read = _means if "targets" in arrays else _neighbours if "rows" in arrays else _linear
        head, fits = read(arrays)
    except (LookupError, TypeError, ValueError, OverflowError, AttributeError) as error:
        received = sorted(map(str, arrays))
        raise DamagedStoreError(
            f"{origin} does not contain the arrays of a linear head: {error}. Received: {received}."
        ) from error
    if not fits or head.mean.ndim != 1 or head.mean.shape != head.scale.shape:
        shapes = {name: array.shape for name, array in arrays.items()}
        raise DamagedStoreError(f"{origin}: the arrays of the head do not fit each other: {shapes}.")
    wrong = [name for name, array in head.arrays().items() if not np.isfinite(array).all()]
    if wrong:
        raise DamagedStoreError(f"{origin} has values that are NaN or infinite, in {', '.join(wrong)}. Train it again.")
    return head


def _linear(arrays: Mapping[str, NDArray[Any]]) -> tuple[ArrayHead, bool]:
    """A linear head, and whether its arrays fit each other."""
    mean, scale, weights, bias = (_floats(arrays, name) for name in ("mean", "scale", "weights", "bias"))
    link = LINKS[_whole(arrays["link"])] if "link" in arrays else LINKS[0]
    norm = NORMS[_whole(arrays["norm"])] if "norm" in arrays else NORMS[0]
    head = LinearHead(mean, scale, weights, bias, float(_floats(arrays, "temperature")[0]), link, norm)
    return head, head.weights.shape == (len(mean), len(bias)) and bias.ndim == 1 and len(bias) > 0


def _neighbours(arrays: Mapping[str, NDArray[Any]]) -> tuple[ArrayHead, bool]:
    """A head of neighbours, and whether its arrays fit each other."""
    labels, num_classes, k = arrays["labels"], arrays["num_classes"][0], arrays["k"][0]
    if any(array.dtype.kind not in "iu" for array in (labels, num_classes, k)):
        raise TypeError("labels, num_classes and k are whole numbers")
    head = NeighboursHead(
        _floats(arrays, "mean"), _floats(arrays, "scale"), _floats(arrays, "rows"), labels, int(num_classes), int(k)
    )
    fits = (
        head.rows.shape == (len(labels), len(head.mean))
        and labels.ndim == 1
        and 1 <= head.k <= len(labels)
        and 0 <= labels.min() <= labels.max() == head.num_outputs - 1
    )
    return head, bool(fits)


def _means(arrays: Mapping[str, NDArray[Any]]) -> tuple[ArrayHead, bool]:
    """A head of means of neighbours, and whether its arrays fit each other."""
    mean, scale, rows, targets = (_floats(arrays, name) for name in ("mean", "scale", "rows", "targets"))
    known = arrays["known"]
    head = NeighbourMeansHead(mean, scale, rows, targets, known.astype(bool), _whole(arrays["k"]))
    fits = (
        rows.shape == (len(targets), len(mean))
        and targets.ndim == 2
        and known.shape == targets.shape
        and 1 <= head.k <= len(rows)
    )
    return head, bool(fits)


def _whole(array: NDArray[Any]) -> int:
    """The first number of an array of whole numbers."""
    if array.dtype.kind not in "iu":
        raise TypeError(f"whole numbers are expected; received {array.dtype}")
    return int(array[0])


def _floats(arrays: Mapping[str, NDArray[Any]], name: str) -> Array:
    """An array of floating-point numbers."""
    if arrays[name].dtype.kind != "f":
        raise TypeError(f"{name} is an array of floats; received {arrays[name].dtype}")
    return arrays[name]


def _check_width(X: Array, mean: Array) -> None:
    """Check that rows are as long as those that a head was trained on."""
    if X.shape[1:] != mean.shape:
        raise DamagedStoreError(
            f"The head of this run takes rows of {len(mean):,} features, and the recipe in its run.json makes rows of "
            f"{math.prod(X.shape[1:]):,}. The files are not of one run. Train it again."
        )


def unit_rows(X: Array) -> Array:
    """Rows scaled to length 1, as Keras's UnitNormalization does it."""
    unit: Array = X / np.sqrt(np.maximum((X**2).sum(axis=1, keepdims=True), 1e-12))
    return unit


def unit_lengths(head: LinearHead, X: Array) -> NDArray[np.float64]:
    """What a head divides each row (N, D) by before anything else, (N,): its length with the norm `l2`, otherwise 1."""
    if head.norm == NORMS[0]:
        return np.ones(len(X))
    squares: NDArray[np.float64] = np.square(X, dtype=np.float64).sum(axis=1)
    return np.sqrt(np.maximum(squares, 1e-12))
