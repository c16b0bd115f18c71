"""What a page shows of predictions: decided by the task of a run, here and in `static/tasks.js`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.reports import classes, labels, values
from pipeline.reports.prediction_table import PredictionTable
from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression


@dataclass(frozen=True)
class Kind:
    """The functions for one kind of task; the task and the scores that they take are those of this kind."""

    mistakes: Callable[[PredictionTable, Any, str], list[int]]
    """Rows of a split that are wrong, or whose errors are largest: the worst first."""

    lists: Callable[[PredictionTable, Any, str], list[list[int]]]
    """Rows that the page lists together."""

    labels_of: Callable[[PredictionTable], list[Any]]
    """The label of each image, as JSON."""

    predicted_of: Callable[[PredictionTable], dict[str, Any]]
    """The predictions for each image, as JSON."""

    describe: Callable[[Any, PredictionTable, Any, str], dict[str, Any]]
    """What the page shows of one split, as JSON: from scores, predictions, task and split."""


KINDS: Mapping[str, Kind] = {
    kind: Kind(module.mistakes, module.lists, module.labels_of, module.predicted_of, module.describe)
    for kind, module in ((Classification.kind, classes), (Multilabel.kind, labels), (Regression.kind, values))
}
