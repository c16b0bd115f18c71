"""The nearest rows of a store for a few queries: exactly, by blocks of matrix products; among very many rows by an index.

Letters: Q queries, N images, D features, k neighbours.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.cache.store import Keys, Store
from pipeline.insight.index import has_library, open_index
from pipeline.insight.neighbours import Array, Nearest, find_nearest, lengths_of, unit_length

logger = logging.getLogger(__name__)

MAX_EXACT = 100_000
"""Images that are always compared one by one, which takes less than two seconds; of more, an index looks at a part."""

MAX_BY_INDEX = 30
"""Images that are asked about with an index; for more it is quicker to read all rows once."""


class Rows(Protocol):
    """Images that have rows in a store."""

    @property
    def store(self) -> Store:
        """Has a row of each image."""

    @property
    def keys(self) -> Keys:
        """Of the rows, (N,)."""

    @property
    def digests(self) -> Sequence[bytes]:
        """SHA-256 of each image."""

    @property
    def pooling(self) -> str:
        """How rows are pooled when they are read."""

    def rows(self, keys: Keys) -> Array:
        """Pooled rows, (n, D)."""


@dataclass(frozen=True)
class Found:
    """What is like one query."""

    near: tuple[tuple[int, float], ...]
    """Positions and cosines, the nearest first; images with the same bytes are not among them."""

    copies: tuple[int, ...]
    """Positions of images with the same bytes."""


@dataclass(frozen=True)
class Search:
    """What was found for each query."""

    found: tuple[Found, ...]
    is_exact: bool


def find_rows(queries: Array, asked: Sequence[bytes], images: Rows, k: int, *, progress: bool = False) -> Search:
    """The k nearest images for each query.

    Args:
        queries: Pooled rows, (Q, D).
        asked: SHA-256 of each query.
        images: Where to look.
        k: How many.
        progress: Show a progress bar.
    """
    copies: dict[bytes, list[int]] = {digest: [] for digest in asked}
    for position, digest in enumerate(images.digests):
        if digest in copies:
            copies[digest].append(position)
    most = max(map(len, copies.values()), default=0)
    is_exact = len(images.keys) <= MAX_EXACT or len(asked) > MAX_BY_INDEX or not has_library()
    find = _find_exactly if is_exact else _find_by_index
    near = find(unit_length(queries), images, k + most, progress=progress)
    found = tuple(_without(near, query, copies[digest], k) for query, digest in enumerate(asked))
    return Search(found, is_exact)


def _without(near: Nearest, query: int, copies: Sequence[int], k: int) -> Found:
    """The k nearest images of a query that are no copies of it."""
    pairs = zip(near.images[query].tolist(), near.cosines[query].tolist(), strict=True)
    others = [(image, cosine) for image, cosine in pairs if image >= 0 and image not in copies]
    return Found(tuple(others[:k]), tuple(copies))


def _find_exactly(unit: Array, images: Rows, k: int, *, progress: bool) -> Nearest:
    start = time.monotonic()
    X = images.rows(images.keys)
    near = find_nearest(unit, X, k, lengths=lengths_of(X), progress=progress)
    if len(X) > MAX_EXACT and not has_library():
        logger.warning(
            "All of %s images were read and compared, which took %.1f s. With the extra `index` (pip install 'bottleneck-pipeline[index]') "
            "an index is made once, and later searches read a part of them.",
            f"{len(X):,}",
            time.monotonic() - start,
        )
    return near


def _find_by_index(unit: Array, images: Rows, k: int, *, progress: bool) -> Nearest:
    return open_index(images.store, images.keys, images.pooling, progress=progress).search(unit, k)
