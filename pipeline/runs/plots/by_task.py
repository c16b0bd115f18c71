"""Which plots a run or an evaluation has: decided by its task, here and nowhere else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.runs.plots.confusion import draw_confusion
from pipeline.runs.plots.labels import draw_label_curves, draw_labels
from pipeline.runs.plots.two_classes import draw_decision
from pipeline.runs.plots.values import draw_values
from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression
from pipeline.tasks.targets import Outputs, Targets


@dataclass(frozen=True)
class Shown:
    """The predictions for the images of one split. Scores and task are those of one kind."""

    task: Any
    scores: Any
    outputs: Outputs
    """(N, K)."""

    y: Targets
    """Their targets."""


@dataclass(frozen=True)
class Plot:
    """One file of a run's folder."""

    file: str
    words: str
    """What it shows."""

    draw: Callable[[Path, Shown, str], None]
    applies: Callable[[Shown], bool] = lambda _: True


def _draw_decision(path: Path, shown: Shown, title: str) -> None:
    cut = 0.5 if shown.task.threshold is None else shown.task.threshold
    draw_decision(path, shown.outputs[:, 1], shown.y, shown.scores, cut, title)


def _draw_label_curves(path: Path, shown: Shown, title: str) -> None:
    draw_label_curves(path, shown.outputs, shown.y, shown.task.names, shown.task.cuts.tolist(), title)


def _draw_values(path: Path, shown: Shown, title: str) -> None:
    task = shown.task
    draw_values(path, shown.outputs, shown.y, shown.scores, task.half_widths, task.names, title)


PLOTS: Mapping[str, tuple[Plot, ...]] = {
    Classification.kind: (
        Plot(
            "confusion.png",
            "Confusion matrix",
            lambda path, shown, title: draw_confusion(path, shown.scores.confusion, shown.task.names, title),
        ),
        Plot(
            "roc.png",
            "ROC and precision-recall curves",
            _draw_decision,
            lambda shown: shown.scores.roc_auc is not None,
        ),
    ),
    Multilabel.kind: (
        Plot("labels.png", "Scores by label", lambda path, shown, title: draw_labels(path, shown.scores, title)),
        Plot(
            "precision-recall.png",
            "Precision-recall curves",
            _draw_label_curves,
            lambda shown: bool((shown.y == 1).any()),
        ),
    ),
    Regression.kind: (
        Plot(
            "predicted.png",
            "Predicted against true numbers, and errors",
            _draw_values,
            lambda shown: bool(np.isfinite(shown.y).any()),
        ),
    ),
}

NAMES = {plot.file: plot.words for plots in PLOTS.values() for plot in plots}
"""What the plots of all kinds show, by file."""


def draw_all(folder: Path, shown: Shown, title: str) -> None:
    """Draw all plots of the task into a folder. Older plots of any kind are removed.

    Raises:
        OSError: A plot cannot be written.
    """
    for name in NAMES:
        (folder / name).unlink(missing_ok=True)
    for plot in PLOTS[shown.task.kind]:
        if plot.applies(shown):
            plot.draw(folder / plot.file, shown, title)
