"""The interface of heads, and their predictions on rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.metrics import Scores, score
from pipeline.stage_two.rows import Rows, Split, StoredRows, Task


class Head(Protocol):
    """A classifier on rows, linear or dense."""

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities, float32 (N, K)."""
        ...

    @property
    def num_classes(self) -> int:
        """K."""
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


@dataclass(frozen=True)
class ScoredTask:
    """A task, and what a head predicts for it."""

    task: Task
    probabilities: Mapping[str, NDArray[np.float32]]
    """By split, float32 (N, K)."""

    scores: Mapping[str, Scores]
    """By split."""


def score_head(head: Head, task: Task, *, tta: bool = False) -> ScoredTask:
    """Predict and score all splits.

    Args:
        head: A trained head.
        task: Rows and labels.
        tta: Average over the stored views of validation and test images; the training split is scored on view 0.
    """
    probabilities = {name: predict_split(head, part, tta=tta and name != "train") for name, part in task.splits.items()}
    scores = {name: score(p, task.splits[name].y, task.classes) for name, p in probabilities.items()}
    return ScoredTask(task, probabilities, scores)
