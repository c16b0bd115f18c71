"""The controls of the page, and the choice that they set."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from nicegui import html, ui

from pipeline.tuner.choice import DENSE, HEADS, Choice, first_value, parameter_of, sizes_of, stops_of
from pipeline.tuner.session import Session

_POOLINGS = {"avg": "average", "max": "max", "none": "none"}


class Controls:
    """Widgets in the current element.

    Args:
        session: Its classes and images can be chosen.
        on_change: Called after each change.
        on_best: Called when the best regularisation is wanted.
    """

    def __init__(
        self, session: Session, on_change: Callable[[], Awaitable[None]], on_best: Callable[[], Awaitable[None]]
    ) -> None:
        self._session, self._on_change = session, on_change
        self.choice = Choice()
        self._draw_head(on_best)
        self._draw_images()
        self._set_stops()
        self._set_sizes()

    def move_to(self, value: float) -> None:
        """Move the slider of the regularisation to one of its stops."""
        self._value.value = stops_of(self.choice.head).index(value)

    def _draw_head(self, on_best: Callable[[], Awaitable[None]]) -> None:
        choice = self.choice
        heads = [head for head in HEADS if head == DENSE or head in self._session.question.task.heads]
        ui.select(heads, label="Head", value=choice.head, on_change=lambda event: self._take_head(event.value))
        with html.div() as self._dense:
            text = ui.input("Dense head", value=choice.layers, on_change=lambda event: self._take(layers=event.value))
            text.props("debounce=600")
            ui.number(
                "Epochs",
                value=choice.epochs,
                min=1,
                max=1000,
                precision=0,
                on_change=lambda event: self._take(epochs=int(event.value or 1)),
            )
        with html.div():
            with html.div().classes("line"):
                self._value_text = ui.label()
                self._best = ui.button("Best", on_click=on_best).props("flat dense no-caps")
            self._value = ui.slider(min=0, max=1, on_change=lambda event: self._take_stop(int(event.value)))
        self._pooling = ui.select(
            _POOLINGS,
            label="Pooling",
            value=choice.pooling,
            on_change=lambda event: self._take_pooling(event.value),
        )

    def _draw_images(self) -> None:
        classes = list(self._session.classes)
        self._classes = ui.select(
            classes,
            label="Classes",
            value=classes,
            multiple=True,
            on_change=lambda event: self._take_classes(event.value),
        )
        self._classes.set_visibility(self._session.question.choices)
        with html.div():
            self._size_text = ui.label()
            self._size = ui.slider(min=0, max=1, on_change=lambda event: self._take_size(int(event.value)))

    async def _take(self, **changes: Any) -> None:
        self.choice = replace(self.choice, **changes)
        await self._on_change()

    async def _take_head(self, head: str) -> None:
        self.choice = replace(self.choice, head=head, value=first_value(head))
        self._set_stops()
        self._pooling.value = self.choice.pooling
        await self._on_change()

    async def _take_pooling(self, pooling: str) -> None:
        # Until a pooling is chosen, it follows the head.
        if pooling != self.choice.pooling:
            await self._take(pool=pooling)

    async def _take_stop(self, index: int) -> None:
        value = stops_of(self.choice.head)[index]
        self._value_text.text = f"{parameter_of(self.choice.head)} = {value:g}"
        if value != self.choice.value:
            await self._take(value=value)

    async def _take_classes(self, classes: list[str]) -> None:
        self.choice = replace(self.choice, classes=tuple(classes), num_train=None)
        self._set_sizes()
        await self._on_change()

    async def _take_size(self, index: int) -> None:
        sizes = self._sizes()
        size = sizes[min(index, len(sizes) - 1)]
        self._size_text.text = f"Training images: {size:,} of {sizes[-1]:,}"
        chosen = None if size == sizes[-1] else size
        if chosen != self.choice.num_train:
            await self._take(num_train=chosen)

    def _sizes(self) -> list[int]:
        return sizes_of(self._session.num_available(self.choice), len(self._session.classes_of(self.choice)))

    def _set_stops(self) -> None:
        """The stops of the chosen head; the slider is set to its value."""
        head, stops = self.choice.head, stops_of(self.choice.head)
        self._value_text.text = f"{parameter_of(head)} = {self.choice.value:g}"
        self._value.props["max"] = len(stops) - 1
        self._value.props["aria-label"] = parameter_of(head)
        self._value.value = stops.index(self.choice.value)
        self._dense.set_visibility(head == DENSE)
        self._best.set_visibility(head != DENSE)

    def _set_sizes(self) -> None:
        """The sizes for the chosen classes; the slider is set to all images."""
        sizes = self._sizes()
        self._size_text.text = f"Training images: {sizes[-1]:,} of {sizes[-1]:,}"
        self._size.props["max"] = len(sizes) - 1
        self._size.props["aria-label"] = "Training images"
        self._size.value = len(sizes) - 1
        chosen, all_classes = self._session.classes_of(self.choice), self._session.classes
        self._classes.props["display-value"] = f"{len(chosen)} of {len(all_classes)}"
