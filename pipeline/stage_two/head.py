"""The interface of heads, and their predictions on rows."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.rows import Rows, Split, StoredRows


class Head(Protocol):
    """A classifier on rows, linear or dense."""

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities, float32 (N, K)."""
        ...

    @property
    def num_parameters(self) -> int:
        """Number of values in the head that the training sets."""
        ...


def predict_rows(head: Head, X: Rows) -> NDArray[np.float32]:
    """Probabilities, float32 (N, K). Linear heads take flat rows, dense heads the grid; rows on disk are read in blocks."""
    if isinstance(X, StoredRows):
        pairs = ((positions, predict_rows(head, block)) for positions, block in X.blocks())
        positions, blocks = zip(*pairs, strict=True)
        return np.concatenate(blocks)[np.argsort(np.concatenate(positions))]
    return head.predict_proba(X.reshape(len(X), -1) if hasattr(head, "arrays") else X)


def predict_split(head: Head, part: Split, *, tta: bool = False) -> NDArray[np.float32]:
    """Probabilities of one split, float32 (N, K).

    Args:
        head: The head.
        part: The split.
        tta: Average the probabilities over all stored views of each image (test-time augmentation).
    """
    if not tta:
        return predict_rows(head, part.X)
    mean: NDArray[np.float32] = np.mean([predict_rows(head, X) for X in (part.X, *part.views)], axis=0)
    return mean
