"""What differs between the kinds of tasks in a session: which images take part, and what can be relabelled.

The page's part of it is in `panes`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, SettingError
from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression
from pipeline.tasks.targets import Targets
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class Question(ABC):
    """A task as the tuner sees it."""

    task: Task

    choices: ClassVar[bool] = False
    """Whether classes can be left out."""

    relabels: ClassVar[bool] = True
    """Whether the page offers other labels."""

    def narrowed(self, names: tuple[str, ...]) -> Task:
        """The task with these classes alone."""
        del names
        return self.task

    def members(self, y: Targets, names: tuple[str, ...]) -> NDArray[np.bool_]:
        """Which images take part, (N,)."""
        del names
        return np.ones(len(y), bool)

    def targets(self, y: Targets, names: tuple[str, ...]) -> Targets:
        """Targets of images that take part, in the narrowed task."""
        del names
        return y

    def check(self, task: Task, y: Mapping[str, Targets]) -> None:
        """Check that a head can be trained.

        Raises:
            DataLayoutError: It cannot.
        """
        for split, targets in y.items():
            if not len(targets) or not np.isfinite(targets).any():
                raise DataLayoutError(
                    f"A head needs {split} images with a known label. Received: none. Choose more images."
                )

    @abstractmethod
    def check_label(self, label: str) -> None:
        """Check a new label.

        Raises:
            SettingError: It is none of this task.
        """


class OneClass(Question):
    """One class for each image."""

    choices = True

    def narrowed(self, names: tuple[str, ...]) -> Task:
        return Classification(names)

    def members(self, y: Targets, names: tuple[str, ...]) -> NDArray[np.bool_]:
        return self._numbers(names)[y] >= 0

    def targets(self, y: Targets, names: tuple[str, ...]) -> Targets:
        return self._numbers(names)[y]

    def _numbers(self, names: tuple[str, ...]) -> NDArray[np.int64]:
        """The number of each class among these names; -1 for the others."""
        numbers = np.full(len(self.task.names), -1)
        numbers[[self.task.names.index(name) for name in names]] = np.arange(len(names))
        return numbers

    def check(self, task: Task, y: Mapping[str, Targets]) -> None:
        if len(task.names) < 2:
            raise DataLayoutError(
                f"A head needs two classes or more. Received: {list(task.names)}. Choose more of them."
            )
        for split, targets in y.items():
            missing = sorted(set(task.names) - {task.names[number] for number in np.unique(targets)})
            if missing:
                raise DataLayoutError(
                    f"A head needs {split} images of each class. Received: {len(targets)} of {len(task.names)} classes, "
                    f"none of {missing}. Leave these out, choose more images, or relabel some."
                )

    def check_label(self, label: str) -> None:
        if label not in self.task.names:
            raise SettingError(f"A label is one of {list(self.task.names)}. Received: {label!r}.")


class SeveralLabels(Question):
    """Any of several labels for each image."""

    def check_label(self, label: str) -> None:
        try:
            self.task.encode([label])
        except DataLayoutError as error:
            raise SettingError(str(error)) from error


class Numbers(Question):
    """Numbers for each image."""

    relabels = False

    def check_label(self, label: str) -> None:
        raise SettingError(
            f"Numbers are not changed on this page. Change the table, and start the tuner again. Received: {label!r}."
        )


_QUESTIONS: Mapping[str, type[Question]] = {
    Classification.kind: OneClass,
    Multilabel.kind: SeveralLabels,
    Regression.kind: Numbers,
}


def question_of(task: Task) -> Question:
    """The question of a task."""
    return _QUESTIONS[task.kind](task)
