"""The interface of panes: a table or plot of the predictions of one split, and the images behind a part of it."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from nicegui.element import Element

from pipeline.tuner.parts import draw_images
from pipeline.tuner.refits import Numbers
from pipeline.tuner.session import Results, Session, SplitPredictions

Part = TypeVar("Part")
"""What can be chosen, such as a cell of the confusion matrix."""


class Pane(ABC, Generic[Part]):
    """A table or plot.

    Args:
        session: Its images are shown.
        relabel: Called with the row in the manifest and its new label.
    """

    title: ClassVar[str]
    worst: ClassVar[str] = "Mistakes"
    """What the images are of which no part is chosen."""

    def __init__(self, session: Session, relabel: Callable[[int, str], Awaitable[None]]) -> None:
        self.session, self.relabel = session, relabel
        self.buttons: dict[Any, Element] = {}
        """What is pressed, by part."""

        self.draw_more: Callable[[int], None] = lambda _: None
        """Draws what every image has below its label, from its row in the manifest."""

    @abstractmethod
    def summary(self, results: Results) -> str:
        """The scores in half a sentence."""

    @abstractmethod
    def draw(self, predictions: SplitPredictions, choose: Callable[[Part | None], Any]) -> None:
        """Draw in the current element; `choose` is called with the part that is pressed."""

    def is_wide(self, results: Results) -> bool:
        """Whether it takes the full width of the page."""
        del results
        return True

    @abstractmethod
    def indices(self, predictions: SplitPredictions, part: Part) -> Numbers:
        """The images of a part, in the order in which they are shown."""

    @abstractmethod
    def name_of(self, part: Part) -> str:
        """What the images of a part have in common."""

    def mark(self, part: Part | None) -> None:
        """Show which part is chosen."""
        for each, button in self.buttons.items():
            button.classes(remove="chosen", add="chosen" if each == part else None)
            button.props["aria-pressed"] = "true" if each == part else "false"

    def draw_images(self, predictions: SplitPredictions, indices: Numbers, part: Part | None) -> None:
        """Draw images in the current element."""
        draw_images(
            self.session,
            predictions,
            indices,
            lambda index, row: self.caption(predictions, index, row, part),
            lambda index, row: (self.draw_changes(predictions, index, row, part), self.draw_more(row)),
        )

    def label_of(self, row: int) -> str:
        """What is known of an image, from its row in the manifest: `label cat`."""
        return f"label {self.session.manifest.labels[row]}"

    @abstractmethod
    def caption(self, predictions: SplitPredictions, index: int, row: int, part: Part | None) -> Sequence[str]:
        """Two texts, on label and prediction of an image."""

    @abstractmethod
    def draw_changes(self, predictions: SplitPredictions, index: int, row: int, part: Part | None) -> None:
        """Draw what gives an image another label."""
