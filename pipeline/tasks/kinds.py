"""Tasks by the name of their kind."""

from collections.abc import Mapping
from typing import Any

from pipeline.errors import check_choice
from pipeline.tasks.class_scores import ClassScores
from pipeline.tasks.classification import Classification
from pipeline.tasks.label_scores import LabelScores
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression
from pipeline.tasks.scores import Scores
from pipeline.tasks.task import KINDS, Task
from pipeline.tasks.value_scores import ValueScores

CLASSIFICATION = Classification.kind

_TASKS: Mapping[str, type[Task]] = {each.kind: each for each in (Classification, Multilabel, Regression)}
_SCORES: Mapping[str, type[Scores]] = {
    Classification.kind: ClassScores,
    Multilabel.kind: LabelScores,
    Regression.kind: ValueScores,
}


def task_of(kind: str, names: tuple[str, ...]) -> Task:
    """A task of this kind.

    Raises:
        SettingError: There is no such kind.
    """
    check_choice("task", kind, KINDS)
    return _TASKS[kind](names)


def names_in(kind: str | None, label: str) -> tuple[str, ...]:
    """The names in a label: the class, or the labels that an image has; none for numbers. `kind` None: a class."""
    return _TASKS[kind or CLASSIFICATION].names_in(label)


def task_from_dict(names: tuple[str, ...], values: Mapping[str, Any] | None) -> Task:
    """The task in run.json; runs of older versions do not name one, and are classifications.

    Raises:
        TypeError, ValueError, LookupError: It is not one.
    """
    values = {"kind": Classification.kind} if values is None else values
    return _TASKS[values["kind"]].from_dict(names, values)


def scores_from_dict(kind: str, values: Mapping[str, Any]) -> Scores:
    """The scores of a task of this kind, of metrics.json.

    Raises:
        LookupError, TypeError, AttributeError, ValueError: They are not such scores.
    """
    return _SCORES[kind].from_dict(values)
