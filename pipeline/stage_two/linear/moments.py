"""Means, standard deviations and products of columns, in one pass over rows that do not fit into memory."""

import numpy as np
from numpy.typing import NDArray

Double = NDArray[np.float64]


class Moments:
    """Moments of N rows of D numbers, added block by block in float64.

    For n rows with mean m and k further rows with mean m', the sum of (x - mean)(x - mean)' over all rows is the sum over the n
    rows, plus the sum over the k rows, plus n k / (n + k) times (m' - m)(m' - m)' (Chan, Golub & LeVeque 1983, Algorithms for
    computing the sample variance, The American Statistician 37). This avoids the difference of two large sums of squares.

    Args:
        num_columns: D.
        with_products: True sums the products of all pairs of columns, (D, D); False only the squares, (D,).
    """

    def __init__(self, num_columns: int, *, with_products: bool) -> None:
        self.count = 0
        self.mean: Double = np.zeros(num_columns)
        self.products: Double = np.zeros((num_columns, num_columns) if with_products else num_columns)

    def add(self, block: NDArray[np.floating]) -> None:
        """Add k rows, (k, D)."""
        rows = block.astype(np.float64)
        mean = rows.mean(axis=0)
        shift, total = mean - self.mean, self.count + len(rows)
        rows -= mean
        rows = np.concatenate([rows, shift[None] * np.sqrt(self.count * len(rows) / total)])
        self.products += rows.T @ rows if self.products.ndim == 2 else np.einsum("nd,nd->d", rows, rows)
        self.mean += shift * (len(block) / total)
        self.count = total

    @property
    def deviation(self) -> Double:
        """Standard deviation of each column, (D,); 1 for a column that is constant up to rounding."""
        squares = self.products.diagonal() if self.products.ndim == 2 else self.products
        deviation: Double = np.sqrt(squares / self.count)
        return np.where(deviation > np.finfo(np.float32).eps * np.abs(self.mean), deviation, 1.0)
