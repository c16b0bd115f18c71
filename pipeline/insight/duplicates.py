"""Images that are there more than once: the same bytes, or nearly the same features, and the same bytes under two labels."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.progress import progress_bar

NEAR = 0.98
"""Minimum cosine of pooled features of two images that are shown as near duplicates.

With SqueezeNet's features at 96 px, smaller and recompressed copies have a cosine of 0.996 to 0.998, a mirrored image 0.89, and the
most similar of 50,000 pairs of different pets 0.84. Of scanned digits, which are all similar, one pair in 400 has more than 0.98.
"""

MAX_PAIRS = 24
_BLOCK_ROWS = 1024


def exact_duplicates(digests: Sequence[bytes], splits: NDArray[np.int8]) -> list[list[int]]:
    """Rows with the same content in more than one split, one list per content.

    Args:
        digests: SHA-256 of N images, empty if it is not known.
        splits: Index of each image's split, (N,).
    """
    return _with_several(same_content(digests), splits)


def conflicting_labels(digests: Sequence[bytes], labels: NDArray[np.int64]) -> list[list[int]]:
    """Rows with the same content under more than one label, one list per content.

    Args:
        digests: SHA-256 of N images, empty if it is not known.
        labels: A number for each image, equal for equal labels, (N,).
    """
    return _with_several(same_content(digests), labels)


def same_content(digests: Sequence[bytes]) -> list[list[int]]:
    """Rows with the same content, one list per content that is there more than once; unknown digests do not count."""
    rows_of: dict[bytes, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests):
        if digest:
            rows_of[digest].append(row)
    return [rows for rows in rows_of.values() if len(rows) > 1]


def _with_several(found: list[list[int]], values: NDArray[np.integer[Any]]) -> list[list[int]]:
    """Those with more than one value."""
    return [rows for rows in found if len({int(values[row]) for row in rows}) > 1]


def near_duplicates(
    X: NDArray[np.float32],
    splits: NDArray[np.int8],
    digests: Sequence[bytes],
    *,
    threshold: float = NEAR,
    inside: bool = False,
    progress: bool = False,
) -> dict[str, Any]:
    """Pairs of images of different contents whose features have a high cosine.

    Args:
        X: Pooled features, (N, D).
        splits: Index of each image's split, (N,).
        digests: SHA-256 of each image, N of them.
        threshold: Minimum cosine of a pair.
        inside: Pairs of one split, instead of those of different splits.
        progress: Show a progress bar.

    Returns:
        {threshold, count: of all such pairs, pairs: those with the highest cosines, [row, row, cosine]}.
    """
    unit = X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)
    present = np.unique(splits)
    blocks = [
        (rows, np.flatnonzero(splits == other))
        for one, other in (zip(present, present, strict=True) if inside else combinations(present, 2))
        for rows in _parts(np.flatnonzero(splits == one))
    ]
    pairs: list[tuple[int, int, float]] = []
    count = 0
    for rows, others in progress_bar(blocks, desc="near-duplicates", unit="block", progress=progress):
        cosines = unit[rows] @ unit[others].T
        found = [
            (int(rows[i]), int(others[j]), float(cosines[i, j]))
            for i, j in np.argwhere(cosines >= threshold)
            if digests[rows[i]] != digests[others[j]] and (not inside or rows[i] < others[j])
        ]
        count += len(found)
        # Only the most similar are kept: a uniform data set may have millions.
        pairs = sorted([*pairs, *found], key=lambda pair: -pair[2])[:MAX_PAIRS]
    return {"threshold": threshold, "count": count, "pairs": [[i, j, round(cosine, 4)] for i, j, cosine in pairs]}


def _parts(rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    return [rows[start : start + _BLOCK_ROWS] for start in range(0, len(rows), _BLOCK_ROWS)]
