"""A training set made ready for linear heads, once for every regularisation and every label set.

With more features than images the features are turned into the space that their rows span. All
linear heads here penalise weights by their Euclidean length or not at all, so the solution lies in
that space and nothing is lost (Hastie & Tibshirani 2004, Efficient quadratic regularization for
expression arrays); 8,192 columns become at most N. Only lda's shrinkage means something else there:
it pulls towards the mean variance of r directions, which is D / r times that of D columns.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Of the largest eigenvalue; below this, float32 features hold rounding only.
_RANK_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Factors:
    """Training features, centred, scaled and, where that is smaller, turned."""

    mean: Array
    """(D,)"""
    scale: Array
    """(D,)"""
    X: Array
    """The training images in the new coordinates, (N, r); r = D where nothing is turned."""
    basis: Array | None
    """Orthonormal, (D, r); the columns of `X` are orthogonal then. None: nothing is turned."""

    def turn(self, X: Array) -> Array:
        """Features of other images, (M, D), in the same coordinates, (M, r)."""
        scaled: Array = (X - self.mean) / self.scale
        turned: Array = scaled if self.basis is None else scaled @ self.basis
        return turned


def factor(X: Array, scale: str, *, is_centred: bool = True) -> Factors:
    """Centre, scale and turn the features of training images.

    Args:
        X: (N, D).
        scale: `standard` divides by each feature's deviation, `none` by nothing.
        is_centred: Without it the mean stays where it is, and nothing is turned.
    """
    is_standard = scale == "standard"
    mean: Array = X.mean(axis=0) if is_centred or is_standard else np.zeros(X.shape[1], np.float32)
    deviation = X.std(axis=0) if is_standard else np.ones(X.shape[1], np.float32)
    deviation = np.where(deviation > 0, deviation, 1).astype(np.float32)  # features that never change keep their size
    scaled: Array = (X - mean) / deviation
    if not is_centred or X.shape[1] <= X.shape[0]:
        return Factors(mean, deviation, scaled, None)
    basis = row_space(scaled)
    return Factors(mean, deviation, scaled @ basis, basis)


def row_space(X: Array) -> Array:
    """Orthonormal basis of the rows of X, (N, D) to (D, r) with r <= N, by the eigenvectors of X X'."""
    values, vectors = np.linalg.eigh((X @ X.T).astype(np.float64))
    kept = values > values[-1] * _RANK_TOLERANCE
    basis: Array = (X.T @ (vectors[:, kept] / np.sqrt(values[kept])).astype(np.float32)).astype(np.float32)
    return basis


def singular_vectors(factors: Factors) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64] | None]:
    """U (N, r), s (r,) and V (r, r) with X = U diag(s) V'; V is None where it is the identity."""
    X = factors.X.astype(np.float64)
    if factors.basis is not None:
        lengths = np.sqrt((X**2).sum(axis=0))
        return X / lengths, lengths, None
    values, vectors = np.linalg.eigh(X.T @ X)
    kept = values > values[-1] * _RANK_TOLERANCE
    lengths = np.sqrt(values[kept])
    return X @ vectors[:, kept] / lengths, lengths, vectors[:, kept]
