"""What a run said of its images, as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError
from pipeline.runs.folder import RunFolder

SPLITS = ("test", "validation", "train")
"""In the order in which a reader asks for them."""

MOST_ROWS = 20_000
"""Images listed on a page: those of the test split first, then validation, then as many training images as there is room for."""


@dataclass(frozen=True)
class Predictions:
    """Of N images, in the order of `SPLITS`."""

    names: tuple[str, ...]
    digests: tuple[bytes, ...]
    """SHA-256 of each image, N of them; empty bytes where the run does not know it."""

    splits: NDArray[np.int8]
    """Place of each image's split in `SPLITS`, (N,)."""

    labels: NDArray[np.int64]
    """Number of each image's class, (N,)."""

    predicted: NDArray[np.int64]
    """Number of the class that the head named, (N,)."""

    confidence: NDArray[np.float64]
    """Probability that it gave to that class, (N,), in [0, 1]."""

    total: int
    """Images of the run; more than N where not all are listed."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def is_right(self) -> NDArray[np.bool_]:
        return np.equal(self.labels, self.predicted)

    def rows_of(self, split: str) -> NDArray[np.int64]:
        """The rows of one split."""
        return np.flatnonzero(self.splits == SPLITS.index(split))


def read_predictions(run: RunFolder) -> Predictions:
    """The predictions of a run.

    Raises:
        DamagedStoreError: predictions.csv is not one, or names classes that the run does not have.
    """
    classes = run.info.classes
    try:
        entries = run.predictions()
        chosen = sorted(entries, key=lambda entry: SPLITS.index(entry["split"]))[:MOST_ROWS]
        return _columns(chosen, classes, len(entries))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DamagedStoreError(f"{run.path / 'predictions.csv'} cannot be read: {error!r}.") from error


def _columns(entries: Sequence[Mapping[str, str]], classes: Sequence[str], total: int) -> Predictions:
    number = {label: place for place, label in enumerate(classes)}
    return Predictions(
        names=tuple(entry["path"] for entry in entries),
        digests=tuple(bytes.fromhex(entry.get("sha256") or "") for entry in entries),
        splits=np.array([SPLITS.index(entry["split"]) for entry in entries], np.int8),
        labels=np.array([number[entry["label"]] for entry in entries], np.int64),
        predicted=np.array([number[entry["predicted"]] for entry in entries], np.int64),
        confidence=np.array([float(entry[f"p:{entry['predicted']}"]) for entry in entries], np.float64),
        total=total,
    )
