"""A training set prepared for linear heads, once for all regularisations and label sets.

Letters: N images, D features. The features are centred and scaled. With more features than images they are also projected onto
the directions that their rows span. All linear heads here penalise the Euclidean length of the weights or nothing, so the
solution lies in that space and the projection loses nothing (Hastie & Tibshirani 2004, Efficient quadratic regularization for
expression arrays). 8,192 columns become N - 1, because N centred rows sum to zero. The exception is the shrinkage of lda: it
pulls towards the mean variance of N - 1 directions, which is D / (N - 1) times that of D columns.

The projection is R = L Q: R (N - 1, D) holds all rows but the last, L is lower triangular with L L' = R R' (Cholesky), and
Q = L^-1 R has orthonormal rows. It takes a tenth of the time of an eigenvector decomposition, and Q itself is never computed.
Products are summed in float64, because L can be close to singular.

A head may be fitted on the first k principal components of these coordinates: X V_k, with X = U diag(s) V'. Whitening divides
component j by its standard deviation s_j / sqrt(N - 1), as scikit-learn's PCA does. Neither knows labels. Afterwards the weights W on
the components become weights V_k W on the coordinates, so that a fitted head does not show how it was found.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.linear.heads import unit_rows
from pipeline.stage_two.linear.ridge import Decomposition, decompose
from pipeline.stage_two.spec import NORMS

Array = NDArray[np.float32]

# Of the mean squared length of a row, added to each diagonal entry of R R': equal images make it singular, and Cholesky would fail.
_JITTER = 1e-10


@dataclass(frozen=True)
class Factors:
    """Training features: centred, scaled and, with more features than images, projected."""

    mean: Array
    """(D,)"""
    scale: Array
    """(D,)"""
    X: Array
    """The training images in the new coordinates: (N, D), or (N, N - 1) if they are projected."""
    rows: NDArray[np.float64] | None = None
    """R, (N - 1, D), centred and scaled; None without a projection."""
    lower: NDArray[np.float64] | None = None
    """L, (N - 1, N - 1); None without a projection."""
    components: Array | None = None
    """V_k, divided by the deviations if they are whitened: (D, k), or (N - 1, k) after a projection; None without principal components."""
    norm: str = NORMS[0]
    """`l2` if rows have length 1 before they are centred; see `pipeline.stage_two.spec`."""

    def project(self, X: Array) -> Array:
        """Features of other images, (M, D), in the coordinates of `X`: x becomes Q x, (M, N - 1), or V_k' Q x, (M, k)."""
        projected = self._in_rows(X)
        return projected if self.components is None else projected @ self.components

    def _in_rows(self, X: Array) -> Array:
        """The same before the principal components."""
        scaled: Array = (normed(X, self.norm) - self.mean) / self.scale
        if self.rows is None or self.lower is None:
            return scaled
        from scipy.linalg import solve_triangular

        products = self.rows @ scaled.T.astype(np.float64)
        projected: Array = solve_triangular(self.lower, products, lower=True).T.astype(np.float32)
        return projected

    def unproject(self, weights: Array) -> Array:
        """Weights on the coordinates of `X` as weights on centred and scaled features, (D, K): w becomes Q' V_k w."""
        weights = weights if self.components is None else self.components @ weights
        if self.rows is None or self.lower is None:
            return weights
        from scipy.linalg import solve_triangular

        on_rows = solve_triangular(self.lower, weights, lower=True, trans="T")
        unprojected: Array = (self.rows.T @ on_rows).astype(np.float32)
        return unprojected

    def on_components(self, count: int, *, whiten: bool) -> "Factors":
        """The same on so many principal components, at most as many as there are.

        Args:
            count: k.
            whiten: Divide each by its standard deviation.
        """
        known = self.decomposition
        order = np.argsort(-known.s, kind="stable")[:count]
        V, s = known.in_features(np.eye(len(known.s))[:, order]), known.s[order]
        components = (V * (np.sqrt(max(len(self.X) - 1, 1)) / s) if whiten else V).astype(np.float32)
        return replace(self, X=self.X @ components, components=components)

    @cached_property
    def decomposition(self) -> Decomposition:
        """The singular value decomposition of `X`, for ridge. It does not depend on labels, and is computed once."""
        return decompose(self.X)


def normed(X: Array, norm: str) -> Array:
    """Rows of length 1, if `norm` is `l2`."""
    return X if norm == NORMS[0] else unit_rows(X)


def factor(X: Array, scale: str, *, norm: str = NORMS[0], is_centred: bool = True) -> Factors:
    """Centre, scale and project the features of training images.

    Args:
        X: (N, D).
        scale: `standard` divides each feature by its standard deviation, `none` does not.
        norm: `l2` divides each row by its length first, `none` does not.
        is_centred: False keeps the mean, unless `scale` is `standard`, and does not project.
    """
    X, is_standard = normed(X, norm), scale == "standard"
    mean: Array = X.mean(axis=0) if is_centred or is_standard else np.zeros(X.shape[1], np.float32)
    deviation = X.std(axis=0) if is_standard else np.ones(X.shape[1], np.float32)
    deviation = np.where(deviation > 0, deviation, 1).astype(np.float32)  # constant features are not divided
    rows: Array = (X - mean) / deviation
    if not is_centred or X.shape[1] <= X.shape[0]:
        return Factors(mean, deviation, rows, norm=norm)
    exact = rows[:-1].astype(np.float64)
    products = exact @ exact.T
    products[np.diag_indices_from(products)] += _JITTER * max(float(np.trace(products)) / len(products), 1e-12)
    lower = np.asarray(np.linalg.cholesky(products), np.float64)
    projected = np.concatenate([lower, -lower.sum(axis=0, keepdims=True)]).astype(np.float32)
    return Factors(mean, deviation, projected, exact, lower, norm=norm)
