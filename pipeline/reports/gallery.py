"""The images of a page: which of them are shown, and in which order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

import numpy as np

from pipeline.reports.prediction_table import SPLITS, PredictionTable
from pipeline.runs.images import RunImages

MAX_THUMBNAILS = 800
"""On one page; at 3 kB each they are together as large as one photo of a phone."""

MAX_CELL_IMAGES = 60
"""Images that a click on a cell of the confusion matrix lists."""

MAX_MISTAKES = 24

MAX_MISSES = 1_000
"""Images that are tried in vain: a run from elsewhere may name any files, which are read to compare their digests."""


@dataclass
class Gallery:
    """Images that one or more runs of a page were trained and evaluated on, in one order."""

    predictions: PredictionTable
    """Names, digests, labels and splits; the predictions are those of the first run."""

    classes: tuple[str, ...]
    images: RunImages | None = None
    """Where their bytes are; None: nowhere."""

    note: str | None = None
    """Why images are missing; None if all could be found."""

    runs: list[PredictionTable] = field(default_factory=list)
    """What each run of the page predicted for these images, the best run first."""

    thumbnails: dict[int, str] = field(default_factory=dict)
    """JPEG as base64, by row."""

    limit: int = MAX_THUMBNAILS
    """Maximum number of thumbnails: its share of those of the page."""

    def holds(self, predictions: PredictionTable, classes: Sequence[str]) -> bool:
        """Whether another run's images are the same ones, with the same labels and splits, in the same order."""
        own = self.predictions
        return (own.names, own.digests, self.classes) == (predictions.names, predictions.digests, tuple(classes)) and (
            np.array_equal(own.labels, predictions.labels) and np.array_equal(own.splits, predictions.splits)
        )

    def as_data(self) -> dict[str, Any]:
        """Plain values, for the page."""
        return {
            "classes": list(self.classes),
            "names": list(self.predictions.names),
            "splits": self.predictions.splits.tolist(),
            "labels": self.predictions.labels.tolist(),
            "total": self.predictions.total,
            "thumbnails": self.thumbnails,
            "limit": self.limit,
            "note": self.note,
        }


def confident_mistakes(predictions: PredictionTable, split: str) -> list[int]:
    """Rows of a split with a wrong prediction, the most confident first."""
    rows = predictions.rows_of(split)
    wrong = rows[~predictions.is_right[rows]]
    order: list[int] = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")].tolist()
    return order


def cells(predictions: PredictionTable, split: str) -> list[list[int]]:
    """Rows of each cell of the confusion matrix that is not empty, in the order in which the page lists them.

    Wrong predictions start with the most confident, right ones with the least confident: these are the most informative.
    """
    rows_of: dict[tuple[int, int], list[int]] = {}
    for row in predictions.rows_of(split).tolist():
        rows_of.setdefault((int(predictions.labels[row]), int(predictions.predicted[row])), []).append(row)
    return [
        sorted(rows, key=lambda row: predictions.confidence[row] * (1 if label == predicted else -1))
        for (label, predicted), rows in rows_of.items()
    ]


def by_interest(runs: Sequence[PredictionTable], pairs: Iterable[Sequence[int]]) -> Iterator[int]:
    """Rows in the order in which they get thumbnails; a row may come more than once.

    First the most confident mistakes, then duplicates, then one row of each cell of the matrices in turn, then any.

    Args:
        runs: What the runs predicted for the same images, the best run first.
        pairs: Rows that are shown side by side.
    """
    judged = SPLITS[:2]
    yield from chain.from_iterable(confident_mistakes(run, split)[:MAX_MISTAKES] for run in runs for split in judged)
    yield from chain.from_iterable(pairs)
    lists = [rows[:MAX_CELL_IMAGES] for run in runs for split in judged for rows in cells(run, split)]
    yield from (row for turn in zip_longest(*lists) for row in turn if row is not None)
    if runs:
        yield from np.random.default_rng(0).permutation(len(runs[0])).tolist()


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
