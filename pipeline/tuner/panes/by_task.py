"""Which pane a task has."""

from collections.abc import Mapping
from typing import Any

from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression
from pipeline.tuner.panes.classes import ClassPane
from pipeline.tuner.panes.labels import LabelPane
from pipeline.tuner.panes.numbers import NumberPane
from pipeline.tuner.panes.pane import Pane

PANES: Mapping[str, type[Pane[Any]]] = {
    Classification.kind: ClassPane,
    Multilabel.kind: LabelPane,
    Regression.kind: NumberPane,
}
