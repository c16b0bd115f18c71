"""What is asked of a head about an image: what speaks for its answer, and against the next one.

Letters: N images, K outputs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import SettingError, did_you_mean
from pipeline.evidence.maps import Double
from pipeline.tasks.targets import Outputs
from pipeline.tasks.task import Task

LOGITS = "logits"
_SHARES = "share of neighbours"


@dataclass(frozen=True)
class Question:
    """What the map of one image shows."""

    answer: int
    """Number of the class, label or column."""

    against: int | None
    """Of one class for each image: the most probable other class, whose sum is subtracted; None for labels and numbers.

    The sums of classes mean something by their differences alone, and of two classes one sum may always be 0."""


def ask(task: Task, outputs: Outputs, of: str | None = None) -> list[Question]:
    """A question for each image: of the predicted class, the most probable label, or the first column of numbers.

    Args:
        task: What the head answers.
        outputs: Those of the head, finished, (N, K).
        of: The class, label or column to ask of instead.

    Raises:
        SettingError: There is no such class, label or column.
    """
    if of is not None:
        answers = np.full(len(outputs), _number(task, of))
    elif task.is_exclusive:
        answers = np.asarray(task.decide(outputs))
    else:
        answers = _first(task, outputs)
    if not task.is_exclusive:
        return [Question(int(answer), None) for answer in answers]
    others = outputs.copy()
    others[np.arange(len(outputs)), answers] = -np.inf
    return [Question(int(a), int(b)) for a, b in zip(answers, others.argmax(axis=1), strict=True)]


def directions(questions: Sequence[Question], num_outputs: int) -> Double:
    """What is asked of the sums, (N, K): 1 for the answer, -1 for what it is against."""
    v = np.zeros((len(questions), num_outputs))
    for row, question in zip(v, questions, strict=True):
        row[question.answer] = 1
        if question.against is not None:
            row[question.against] -= 1
    return v


def unit_of(task: Task, *, has_sums: bool, answer: int = 0) -> str:
    """The unit of a map: logits, the column of a number, or shares where a head has no sums before its link."""
    if task.link == "identity":
        return task.names[answer]
    return LOGITS if has_sums else _SHARES


def _first(task: Task, outputs: Outputs) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.zeros(len(outputs), np.int64) if task.link == "identity" else outputs.argmax(axis=1)


def _number(task: Task, of: str) -> int:
    if of not in task.names:
        hint = did_you_mean(of, task.names) or f" Expected one of {', '.join(task.names)}."
        raise SettingError(f"{of!r} is no {task.nouns[0]} of this run.{hint}")
    return task.names.index(of)
