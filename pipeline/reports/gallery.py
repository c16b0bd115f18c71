"""The images of a page: which of them are shown, and in which order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

import numpy as np

from pipeline.reports.by_task import KINDS
from pipeline.reports.classes import MAX_MISTAKES
from pipeline.reports.novelty import strange_rows
from pipeline.reports.prediction_table import SPLITS, PredictionTable
from pipeline.runs.images import RunImages
from pipeline.tasks.task import Task

MAX_THUMBNAILS = 800
"""On one page; at 3 kB each they are together as large as one photo of a phone."""

MAX_LISTED = 60
"""Images that the page lists at once, such as those of a cell of the confusion matrix."""

MAX_MISSES = 1_000
"""Images that are tried in vain: a run from elsewhere may name any files, which are read to compare their digests."""


@dataclass
class Gallery:
    """Images that one or more runs of a page were trained and evaluated on, in one order."""

    predictions: PredictionTable
    """Names, digests, labels and splits; the predictions are those of the first run."""

    task: Task
    images: RunImages | None = None
    """Where their bytes are; None: nowhere."""

    note: str | None = None
    """Why images are missing; None if all could be found."""

    runs: list[tuple[PredictionTable, Task]] = field(default_factory=list)
    """What each run of the page predicted for these images, and its task; the best run first."""

    thumbnails: dict[int, str] = field(default_factory=dict)
    """JPEG as base64, by row."""

    limit: int = MAX_THUMBNAILS
    """Maximum number of thumbnails: its share of those of the page."""

    def holds(self, predictions: PredictionTable, task: Task) -> bool:
        """Whether another run's images are the same ones, with the same labels and splits, in the same order."""
        own, other = self.predictions, predictions
        same = (own.names, own.digests, self.task.kind, self.task.names)
        return same == (other.names, other.digests, task.kind, task.names) and (
            np.array_equal(own.labels, other.labels, equal_nan=True) and np.array_equal(own.splits, other.splits)
        )

    def as_data(self) -> dict[str, Any]:
        """Plain values, for the page."""
        return {
            "kind": self.task.kind,
            "classes": list(self.task.names),
            "names": list(self.predictions.names),
            "splits": self.predictions.splits.tolist(),
            "labels": KINDS[self.task.kind].labels_of(self.predictions),
            "total": self.predictions.total,
            "thumbnails": self.thumbnails,
            "limit": self.limit,
            "note": self.note,
        }


def by_interest(runs: Sequence[tuple[PredictionTable, Task]], pairs: Iterable[Sequence[int]]) -> Iterator[int]:
    """Rows in the order in which they get thumbnails; a row may come more than once.

    First the most confident mistakes, then duplicates, then those farthest from the training images, then one row of each list of the page in turn, then any.

    Args:
        runs: What the runs predicted for the same images, and their tasks; the best run first.
        pairs: Rows that are shown side by side.
    """
    judged = SPLITS[:2]
    parts = [(KINDS[task.kind], table, task, split) for table, task in runs for split in judged]
    for kind, table, task, split in parts:
        yield from kind.mistakes(table, task, split)[:MAX_MISTAKES]
    yield from chain.from_iterable(pairs)
    yield from chain.from_iterable(strange_rows(table) for table, _ in runs)
    lists = [rows[:MAX_LISTED] for kind, table, task, split in parts for rows in kind.lists(table, task, split)]
    yield from (row for turn in zip_longest(*lists) for row in turn if row is not None)
    if runs:
        yield from np.random.default_rng(0).permutation(len(runs[0][0])).tolist()


def add_thumbnails(gallery: Gallery, rows: Iterable[int], make: Callable[[int], str | None]) -> int:
    """Make thumbnails of the first rows whose images can be read.

    Args:
        gallery: Gets the thumbnails, at most its `limit`; no more are made either once `MAX_MISSES` rows have none.
        rows: Rows in order of preference; each is tried once.
        make: Row to thumbnail, JPEG as base64; None if the image cannot be read.

    Returns:
        Number of thumbnails that the gallery has.
    """
    tried: set[int] = set()
    for row in rows:
        if len(gallery.thumbnails) >= gallery.limit or len(tried) - len(gallery.thumbnails) >= MAX_MISSES:
            break
        if row not in tried:
            tried.add(row)
            thumbnail = make(row)
            if thumbnail is not None:
                gallery.thumbnails[row] = thumbnail
    return len(gallery.thumbnails)
