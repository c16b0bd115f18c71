"""What a run predicted for its images, as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError
from pipeline.runs.folder import RunFolder
from pipeline.tasks.targets import Targets
from pipeline.tasks.task import Task

SPLITS = ("test", "validation", "train")
"""In the order in which they are shown: the test split tells most."""

MAX_ROWS = 20_000
"""Images listed on a page: first those of the test split, then validation images, then training images."""


@dataclass(frozen=True)
class PredictionTable:
    """The predictions for N images, in the order of `SPLITS`."""

    names: tuple[str, ...]
    digests: tuple[bytes, ...]
    """SHA-256 of each image, N of them; empty bytes if the run has not recorded it."""

    splits: NDArray[np.int8]
    """Index of each image's split in `SPLITS`, (N,)."""

    labels: Targets
    """The targets, (N,) or (N, K); see `pipeline.tasks.task`."""

    predicted: Targets
    """The targets that are predicted, of the same shape."""

    confidence: NDArray[np.float64]
    """Probability of the predicted class, (N,), in [0, 1]; NaN for labels and numbers."""

    total: int
    """Number of the run's images; more than N if not all are listed."""

    probabilities: NDArray[np.float32] | None = None
    """Of each label, (N, K); None for classes and numbers, and for more labels than predictions.csv has columns for."""

    novelty: NDArray[np.float64] | None = None
    """Distance to the training images and p-value, (N, 2), NaN where they are not known; None: nowhere."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def distances(self) -> NDArray[np.float64]:
        """To the training images, (N,); NaN where they are not known."""
        return np.full(len(self), np.nan) if self.novelty is None else self.novelty[:, 0]

    @property
    def p_values(self) -> NDArray[np.float64]:
        """Among the validation images, (N,); NaN where they are not known."""
        return np.full(len(self), np.nan) if self.novelty is None else self.novelty[:, 1]

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether each prediction is right, (N,); of several labels, all whose answers are known."""
        right: NDArray[np.bool_] = np.equal(self.labels, self.predicted)
        if right.ndim == 1:
            return right
        unknown: NDArray[np.bool_] = np.isnan(self.labels)
        return np.asarray((right | unknown).all(axis=1))

    @property
    def label_numbers(self) -> NDArray[np.int64]:
        """A number for each image, equal for equal labels, (N,)."""
        labels = np.nan_to_num(self.labels, nan=-np.inf)  # numpy takes each NaN for another number
        return np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def rows_of(self, split: str) -> NDArray[np.int64]:
        """The rows of one split."""
        return np.flatnonzero(self.splits == SPLITS.index(split))


def read_prediction_table(run: RunFolder) -> PredictionTable:
    """The predictions of a run.

    Raises:
        DamagedStoreError: predictions.csv cannot be read, or has labels that the run does not have.
    """
    task = run.task
    try:
        entries = run.predictions()
        chosen = sorted(entries, key=lambda entry: SPLITS.index(entry["split"]))[:MAX_ROWS]
        return _columns(chosen, task, len(entries))
    except (OSError, LookupError, ValueError, TypeError) as error:
        if isinstance(error, DamagedStoreError):
            raise
        raise DamagedStoreError(f"{run.path / 'predictions.csv'} cannot be read: {error!r}.") from error


def _columns(entries: Sequence[Mapping[str, str]], task: Task, total: int) -> PredictionTable:
    labels = task.encode([entry["label"] for entry in entries])
    return PredictionTable(
        names=tuple(entry["path"] for entry in entries),
        digests=tuple(bytes.fromhex(entry.get("sha256") or "") for entry in entries),
        splits=np.array([SPLITS.index(entry["split"]) for entry in entries], np.int8),
        labels=labels,
        predicted=task.encode([entry["predicted"] for entry in entries]),
        total=total,
        novelty=_novelty(entries),
        **_probabilities(entries, task, is_single=labels.ndim == 1),
    )


def _novelty(entries: Sequence[Mapping[str, str]]) -> NDArray[np.float64]:
    """Distances and p-values; NaN for training images, and in runs of older versions.

    Raises:
        ValueError: One is impossible.
    """
    cells = [[entry.get(name) or "nan" for name in ("distance", "p_value")] for entry in entries]
    found = np.array(cells, np.float64).reshape(len(entries), 2)
    known = found[~np.isnan(found)]
    if not ((known >= 0) & (known <= 2)).all():
        raise ValueError("a distance is not between 0 and 2, or a p-value not between 0 and 1")
    return found


def _probabilities(entries: Sequence[Mapping[str, str]], task: Task, *, is_single: bool) -> dict[str, Any]:
    """Of the predicted class; or of each label that has a column."""
    if is_single:
        return {"confidence": np.array([_confidence(entry) for entry in entries], np.float64)}
    columns = [f"p:{name}" for name in task.names]
    has_all = bool(entries) and all(column in entries[0] for column in columns)
    found = [[float(entry[column]) for column in columns] for entry in entries] if has_all else None
    return {
        "confidence": np.full(len(entries), np.nan),
        "probabilities": None if found is None else np.array(found, np.float32).reshape(len(entries), len(columns)),
    }


def _confidence(entry: Mapping[str, str]) -> float:
    """The probability of the predicted class: in a column of its own if there are many classes."""
    own = f"p:{entry['predicted']}"
    return float(entry[own] if own in entry else entry["probability"])
