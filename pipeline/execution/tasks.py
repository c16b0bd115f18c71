"""Tasks, what is done with them, and the result of a task whose worker died."""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Lost(enum.Enum):
    """In place of a result: the worker died while it ran the task. Whether the task killed it is not known."""

    LOST = "lost"


@dataclass(frozen=True)
class Work(Generic[Task, Result]):
    """Tasks, and what workers do with them."""

    function: Callable[..., Result]
    """Called with a task and the shared values. Pickled by name; inside it `num_threads()` is its share of the cores."""

    tasks: Sequence[Task]
    share: Sequence[Any]
    """Values that all tasks need, sent once to each worker."""

    pack: Callable[[Task], Any]
    """Called with a task when a worker is nearly free; its result is sent in place of the task."""
