"""The photographs of a page: which are shown, and where each stands."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, zip_longest
from typing import Any

import numpy as np

from pipeline.reports.predictions import SPLITS, Predictions

MOST_THUMBNAILS = 800
"""On one page; at 3 kB each they take about as long to load as one photograph of a telephone."""

A_CELL = 60
"""Photographs that a click on a cell of the confusion matrix lists."""

MISTAKES = 24


@dataclass
class Gallery:
    """Images that one or more runs of a page were trained and judged on, in one order."""

    predictions: Predictions
    classes: tuple[str, ...]
    note: str | None = None
    """Why photographs are missing; None where all could be found."""

    thumbnails: dict[int, str] = field(default_factory=dict)
    """JPEG as base64, by row."""

    def holds(self, predictions: Predictions, classes: Sequence[str]) -> bool:
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
            "note": self.note,
        }


def surest_mistakes(predictions: Predictions, split: str) -> list[int]:
    """Rows of a split that the head was wrong about, the ones that it was surest of first."""
    rows = predictions.rows_of(split)
    wrong = rows[~predictions.is_right[rows]]
    order: list[int] = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")].tolist()
    return order


def cells(predictions: Predictions, split: str) -> list[list[int]]:
    """Rows of each field of the confusion matrix that has any, in the order in which the page lists them.

    Wrong ones start with what the head was surest of, right ones with what it was least sure of: both are where to look.
    """
    rows_of: dict[tuple[int, int], list[int]] = {}
    for row in predictions.rows_of(split).tolist():
        rows_of.setdefault((int(predictions.labels[row]), int(predictions.predicted[row])), []).append(row)
    return [
        sorted(rows, key=lambda row: predictions.confidence[row] * (1 if label == said else -1))
        for (label, said), rows in rows_of.items()
    ]


def worth_showing(runs: Sequence[Predictions], pairs: Iterable[Sequence[int]]) -> Iterator[int]:
    """Rows in the order in which they are worth a thumbnail; a row may come more than once.

    First the surest mistakes, then what stands in two splits, then a row of each field of the matrices in turn, then any.

    Args:
        runs: What the runs said of the same images, the best run first.
        pairs: Rows that stand side by side.
    """
    judged = SPLITS[:2]
    yield from chain.from_iterable(surest_mistakes(said, split)[:MISTAKES] for said in runs for split in judged)
    yield from chain.from_iterable(pairs)
    fields = [rows[:A_CELL] for said in runs for split in judged for rows in cells(said, split)]
    yield from (row for turn in zip_longest(*fields) for row in turn if row is not None)
    if runs:
        yield from np.random.default_rng(0).permutation(len(runs[0])).tolist()


def take_thumbnails(gallery: Gallery, rows: Iterable[int], make: Callable[[int], str | None], room: int) -> int:
    """Make thumbnails of the first rows that can be had, at most as many as there is room for; how many that were.

    A photograph that is gone is asked for once.
    """
    asked: set[int] = set()
    for row in rows:
        if len(gallery.thumbnails) >= room:
            break
        if row not in asked:
            asked.add(row)
            made = make(row)
            if made is not None:
                gallery.thumbnails[row] = made
    return len(gallery.thumbnails)
