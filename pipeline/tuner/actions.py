"""What a user can do to a label: the page does it, and the parts of the page call it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class LabelActions:
    """Each takes the row of an image in the manifest."""

    relabel: Callable[[int, str], Awaitable[None]]
    """Give it this label."""

    check: Callable[[int], Awaitable[None]]
    """Its label is right."""

    uncheck: Callable[[int], Awaitable[None]]
    """Its label may be wrong after all."""

    undo: Callable[[], Awaitable[None]]
    """Undo the last change, of whichever image."""
