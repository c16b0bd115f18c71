"""Fitted linear heads as plain arrays; they predict with numpy alone. `pipeline.stage_two.linear.fit` fits them.

Letters: N images, D features, K classes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError

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
    """1 for heads whose scores are log-probabilities; fitted on the validation split for the others."""

    def predict_proba(self, X: Array) -> Array:
        """Probabilities, float32 (N, K), of features (N, D)."""
        scores = ((X - self.mean) / self.scale) @ self.weights + self.bias
        return softmax(self.temperature * scores)

    @property
    def num_parameters(self) -> int:
        """Number of weights and biases."""
        return self.weights.size + self.bias.size

    def __repr__(self) -> str:
        num_features, num_classes = self.weights.shape
        return f"LinearHead({num_features} features, {num_classes} classes)"

    def arrays(self) -> dict[str, Array]:
        """The arrays to save, by name."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "weights": self.weights,
            "bias": self.bias,
            "temperature": np.float32(self.temperature).reshape(1),
        }


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
    num_classes: int
    k: int

    def predict_proba(self, X: Array) -> Array:
        """Probabilities, float32 (N, K), of features (N, D)."""
        similarity = unit_rows((X - self.mean) / self.scale) @ self.rows.T
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : self.k]
        votes = self.labels[nearest][..., None] == np.arange(self.num_classes)
        shares: Array = votes.mean(axis=1, dtype=np.float32)
        return shares

    @property
    def num_parameters(self) -> int:
        """Number of values in the training rows that are kept."""
        return self.rows.size

    def __repr__(self) -> str:
        num_images, num_features = self.rows.shape
        return f"NeighboursHead(k={self.k}, {num_images} images, {num_features} features, {self.num_classes} classes)"

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays to save, by name."""
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


def softmax(scores: NDArray[np.floating]) -> Array:
    """Softmax of each row, (N, K) to (N, K)."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Array = (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def unit_rows(X: Array) -> Array:
    """Rows scaled to length 1, as Keras's UnitNormalization does it."""
    unit: Array = X / np.sqrt(np.maximum((X**2).sum(axis=1, keepdims=True), 1e-12))
    return unit
