"""Tasks and their results, for type annotations; and the result of a task whose worker died."""

import enum
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Lost(enum.Enum):
    """In place of a result: the worker died while it ran the task. Whether the task killed it is not known."""

    LOST = "lost"
