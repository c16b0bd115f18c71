"""The interface of heads, and their predictions on rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.stage_two.rows import LabelledRows, Rows, Split, StoredRows
from pipeline.tasks.decisions import NONE, Decisions
from pipeline.tasks.scores import Scores
from pipeline.tasks.targets import Outputs
from pipeline.tasks.task import Task


class Head(Protocol):
    """From rows to outputs, linear or dense."""

    def outputs(self, X: NDArray[np.float32]) -> Outputs:
        """Outputs, float32 (N, K): probabilities, or numbers; see `pipeline.tasks.targets`."""
        ...

    @property
    def num_outputs(self) -> int:
        """K."""
        ...

    @property
    def num_parameters(self) -> int:
        """Number of values in the head that the training sets."""
        ...


def predict_rows(head: Head, X: Rows) -> Outputs:
    """Outputs, float32 (N, K). Linear heads take flat rows, dense heads the grid; rows on disk are read in blocks."""
    if isinstance(X, StoredRows):
        pairs = ((positions, predict_rows(head, block)) for positions, block in X.blocks())
        positions, blocks = zip(*pairs, strict=True)
        return np.concatenate(blocks)[np.argsort(np.concatenate(positions))]
    return head.outputs(X.reshape(len(X), -1) if hasattr(head, "arrays") else X)


def predict_split(head: Head, part: Split, *, tta: bool = False) -> Outputs:
    """Outputs of one split, float32 (N, K).

    Args:
        head: The head.
        part: The split.
        tta: Average the outputs over all stored views of each image (test-time augmentation).
    """
    if not tta:
        return predict_rows(head, part.X)
    mean: Outputs = np.mean([predict_rows(head, X) for X in (part.X, *part.views)], axis=0)
    return mean


@dataclass(frozen=True)
class ScoredRows:
    """Rows with targets, and what a head predicts for them."""

    labelled: LabelledRows
    outputs: Mapping[str, Outputs]
    """By split, float32 (N, K); finished (`Task.finish`)."""

    scores: Mapping[str, Scores]
    """By split."""

    calibration: Mapping[str, Any] | None = None
    """{method, error: {split: {before, after}}}: the expected calibration error on validation and test; None without a calibration."""


def score_head(
    head: Head,
    labelled: LabelledRows,
    *,
    tta: bool = False,
    decisions: Decisions = NONE,
    left_out: Outputs | None = None,
) -> ScoredRows:
    """Predict and score all splits, with the thresholds and the calibration that are chosen on validation.

    Args:
        head: A trained head.
        labelled: Rows and targets.
        tta: Average over the stored views of validation and test images; the training split is scored on view 0.
        decisions: Goal of the thresholds, and method of the calibration.
        left_out: The sums of ridge for each training image without it, (N, C); None: not known.

    Raises:
        SettingError: The task has no use for the decisions.
    """
    splits = labelled.splits
    outputs = {name: predict_split(head, part, tta=tta and name != "train") for name, part in splits.items()}
    known = None if left_out is None else (left_out, labelled.train.y)
    task = decisions.of(labelled.task).settled(outputs["validation"], labelled.validation.y, known)
    return _scored(task, splits, outputs)


def score_again(head: Head, task: Task, labelled: LabelledRows, *, tta: bool = False) -> ScoredRows:
    """Predict and score all splits with what was chosen on validation before.

    Args:
        head: A trained head.
        task: With its thresholds and its calibration.
        labelled: Rows and targets.
        tta: As in `score_head`.
    """
    splits = labelled.splits
    outputs = {name: predict_split(head, part, tta=tta and name != "train") for name, part in splits.items()}
    return _scored(task, splits, outputs)


def _scored(task: Task, splits: Mapping[str, Split], outputs: Mapping[str, Outputs]) -> ScoredRows:
    finished = {name: task.finish(values) for name, values in outputs.items()}
    scores = {name: task.score(values, splits[name].y) for name, values in finished.items()}
    return ScoredRows(LabelledRows(task, splits), finished, scores, _calibration(task, splits, outputs, finished))


def _calibration(
    task: Task, splits: Mapping[str, Split], before: Mapping[str, Outputs], after: Mapping[str, Outputs]
) -> dict[str, Any] | None:
    """The calibration error of the images that the head was not trained on; on validation, where it was fitted, it is too small."""
    if task.calibration is None:
        return None
    error = {
        name: {
            "before": task.calibration_error(before[name], part.y),
            "after": task.calibration_error(after[name], part.y),
        }
        for name, part in splits.items()
        if name != "train"
    }
    return {"method": task.calibrate, "error": error}
