"""The nearest rows by cosine, by blocks of matrix products.

Letters: Q queries, N images, D features, k neighbours.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.progress import progress_bar

Array = NDArray[np.float32]
Labels = NDArray[np.int64]

_BLOCK_BYTES = 64 * 2**20
"""Of the products of one block of queries with all rows."""


@dataclass(frozen=True)
class Nearest:
    """The k nearest images of each query, the nearest first."""

    images: Labels
    """Positions, (Q, k); -1 where there are fewer than k others."""

    cosines: Array
    """(Q, k); -1 where there is no image."""


def unit_length(X: Array) -> Array:
    """Rows (N, D), each divided by its length; a row of zeros stays."""
    return (X / lengths_of(X)[:, None]).astype(np.float32, copy=False)


def lengths_of(X: Array) -> Array:
    """The length of each row, (N,), at least 1e-12. Without a copy of the rows, which would take longer than their products."""
    lengths: Array = np.maximum(np.sqrt(np.einsum("nd,nd->n", X, X)), 1e-12)
    return lengths


def find_nearest(
    queries: Array,
    rows: Array,
    k: int,
    *,
    blocks: tuple[Labels, Labels] | None = None,
    lengths: Array | None = None,
    progress: bool = False,
) -> Nearest:
    """The k rows with the highest cosine for each query.

    Args:
        queries: (Q, D), of length 1.
        rows: (N, D), of length 1, or of `lengths`.
        k: How many; fewer if there are not so many rows.
        blocks: Numbers of the queries (Q,) and of the rows (N,): rows with the query's number are left out.
        lengths: Of the rows, (N,), if it is not 1: for a few queries that is quicker than to divide the rows.
        progress: Show a progress bar.
    """
    k = min(k, len(rows))
    size = max(1, _BLOCK_BYTES // (4 * max(len(rows), 1)))
    images, cosines = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    starts = range(0, len(queries), size)
    for start in progress_bar(starts, desc="neighbours", unit="block", progress=progress):
        part = slice(start, start + size)
        products = queries[part] @ rows.T
        if lengths is not None:
            products /= lengths
        if blocks is not None:
            products[blocks[0][part, None] == blocks[1]] = -2
        found = _largest(products, k) if k < len(rows) else _all(products)
        near = np.take_along_axis(products, found, axis=1)
        order = np.argsort(-near, axis=1, kind="stable")
        images[part] = np.take_along_axis(found, order, axis=1)
        cosines[part] = np.take_along_axis(near, order, axis=1)
    is_none = cosines < -1.5
    images[is_none], cosines[is_none] = -1, -1
    return Nearest(images, np.clip(cosines, -1, 1))


def _largest(products: Array, k: int) -> Labels:
    """Positions of the k largest of each line, in any order."""
    place = products.shape[1] - k
    return np.argpartition(products, place, axis=1)[:, place:]


def _all(products: Array) -> Labels:
    return np.broadcast_to(np.arange(products.shape[1]), products.shape)
