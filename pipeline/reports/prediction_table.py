"""What a run predicted for its images, as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError
from pipeline.runs.folder import RunFolder

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

    labels: NDArray[np.int64]
    """Class number of each image's label, (N,)."""

    predicted: NDArray[np.int64]
    """Class number of each prediction, (N,)."""

    confidence: NDArray[np.float64]
    """Probability of the predicted class, (N,), in [0, 1]."""

    total: int
    """Number of the run's images; more than N if not all are listed."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_right(self) -> NDArray[np.bool_]:
        return np.equal(self.labels, self.predicted)

    def rows_of(self, split: str) -> NDArray[np.int64]:
        """The rows of one split."""
        return np.flatnonzero(self.splits == SPLITS.index(split))


def read_prediction_table(run: RunFolder) -> PredictionTable:
    """The predictions of a run.

    Raises:
        DamagedStoreError: predictions.csv cannot be read, or has classes that the run does not have.
    """
    classes = run.info.classes
    try:
        entries = run.predictions()
        chosen = sorted(entries, key=lambda entry: SPLITS.index(entry["split"]))[:MAX_ROWS]
        return _columns(chosen, classes, len(entries))
    except (OSError, LookupError, ValueError, TypeError) as error:
        if isinstance(error, DamagedStoreError):
            raise
        raise DamagedStoreError(f"{run.path / 'predictions.csv'} cannot be read: {error!r}.") from error


def _columns(entries: Sequence[Mapping[str, str]], classes: Sequence[str], total: int) -> PredictionTable:
    number = {label: index for index, label in enumerate(classes)}
    return PredictionTable(
        names=tuple(entry["path"] for entry in entries),
        digests=tuple(bytes.fromhex(entry.get("sha256") or "") for entry in entries),
        splits=np.array([SPLITS.index(entry["split"]) for entry in entries], np.int8),
        labels=np.array([number[entry["label"]] for entry in entries], np.int64),
        predicted=np.array([number[entry["predicted"]] for entry in entries], np.int64),
        confidence=np.array([_confidence(entry) for entry in entries], np.float64),
        total=total,
    )


def _confidence(entry: Mapping[str, str]) -> float:
    """The probability of the predicted class: in a column of its own if there are many classes."""
    own = f"p:{entry['predicted']}"
    return float(entry[own] if own in entry else entry["probability"])
