"""The results of a head: accuracy, learning curve, confusion matrix, and images."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import html, run, ui
from nicegui.element import Element

from pipeline.tuner.parts import Cell, draw_confusion, draw_images, name_of
from pipeline.tuner.session import Results, Session, SplitPredictions

_IMAGES_PER_PAGE = 60
_WIDE = 8  # with more classes the matrix takes the full width of the page

# After relabelling by keyboard the focus moves to the next image.
_KEEP_FOCUS = (
    "if (document.activeElement === document.body) "
    "document.querySelector('.image button, .image select')?.focus({preventScroll: true})"
)


class View:
    """Results in the current element.

    Args:
        session: Its images are shown.
        relabel: Called with the row in the manifest and its new label.
    """

    def __init__(self, session: Session, relabel: Callable[[int, str], Awaitable[None]]) -> None:
        self._session, self._relabel = session, relabel
        self._results: Results | None = None
        self._predictions: SplitPredictions | None = None
        self._split = "validation"
        self._cell: Cell | None = None
        self._buttons: dict[Cell, Element] = {}
        self._num_shown = _IMAGES_PER_PAGE
        self._draw_scores()
        self._draw_tables()

    async def show(self, results: Results) -> None:
        """Show everything but the learning curve."""
        if self._results and results.classes != self._results.classes:
            self._cell = None
        self._results, scores = results, results.validation.scores
        low, high = scores.ci95
        num_right = sum(row[number] for number, row in enumerate(scores.confusion))
        self._accuracy.classes(remove="old")
        self._accuracy.text = f"{100 * scores.accuracy:.1f} %"
        self._summary.text = (
            f"{num_right:,} of {scores.n:,} right (95 % interval {100 * low:.1f} to {100 * high:.1f} %), log loss "
            f"{scores.loss:.4f}. {results.head} on {results.num_train:,} training images."
        )
        seconds = results.seconds
        self.show_status(f"Fitted in {seconds:.1f} s." if seconds > 1 else f"Fitted in {1000 * seconds:.0f} ms.")
        await self._show_split()

    def show_curve(self, options: dict[str, Any]) -> None:
        """Show a learning curve, given as ECharts' options."""
        self._curve.options.clear()
        self._curve.options.update(options)
        self._curve.update()
        self._curve.classes(remove="old")

    def keep_focus(self) -> None:
        """Keep the keyboard focus on the images after they were redrawn."""
        with self._images:
            ui.run_javascript(_KEEP_FOCUS)

    def show_status(self, text: str, *, is_error: bool = False) -> None:
        """Show one line below the scores."""
        self._status.text = text
        self._status.classes(remove="error", add="error" if is_error else None)

    def fade(self) -> None:
        """Fade the results, because the choice has changed."""
        for element in (self._accuracy, self._curve):
            element.classes("old")

    def _draw_scores(self) -> None:
        with html.section().classes("card wide"):
            html.h2("Validation")
            self._accuracy = ui.label("\u2013").classes("accuracy")
            self._summary = ui.label().classes("note summary")
            self._status = ui.label().classes("status").props("role=status aria-live=polite")
        with html.section().classes("card"):
            html.h2("Learning curve")
            self._curve = ui.echart({}, renderer="svg").classes("curve")

    def _draw_tables(self) -> None:
        with html.section().classes("card matrix") as self._matrix:
            with html.div().classes("line"):
                html.h2("Confusion matrix")
                splits = {"validation": "validation", "train": "training"}
                toggle = ui.toggle(splits, value=self._split, on_change=lambda event: self._take_split(event.value))
                toggle.props("no-caps unelevated dense padding='xs md'")
            self._confusion = html.div()
        with html.section().classes("card wide"):
            with html.div().classes("line"):
                with html.h2():
                    self._heading = ui.label("Images")
                self._all = ui.button("All mistakes", on_click=lambda: self._take_cell(None)).props(
                    "flat dense no-caps"
                )
            self._images = html.div()

    async def _take_split(self, split: str) -> None:
        self._split, self._num_shown = split, _IMAGES_PER_PAGE
        await self._show_split()

    def _take_cell(self, cell: Cell | None) -> None:
        self._cell, self._num_shown = cell, _IMAGES_PER_PAGE
        self.show_images()

    async def _show_split(self) -> None:
        results = self._results
        if results is None:
            return
        # Nearest neighbours of all training images take long to find, and the page must not wait for them.
        is_train = self._split == "train"
        predictions = await run.io_bound(lambda: results.train) if is_train else results.validation
        if predictions is None or results is not self._results:
            return
        self._predictions = predictions
        self._matrix.classes(remove="wide", add="wide" if len(results.classes) > _WIDE else None)
        self._confusion.clear()
        with self._confusion:
            self._buttons = draw_confusion(predictions, results.classes, self._take_cell)
        self.show_images()

    def show_images(self) -> None:
        """The images of the chosen cell, or all mistakes, with their labels."""
        predictions, results = self._predictions, self._results
        if predictions is None or results is None:
            return
        for cell, button in self._buttons.items():
            button.classes(remove="chosen", add="chosen" if cell == self._cell else None)
            button.props["aria-pressed"] = "true" if cell == self._cell else "false"
        indices = predictions.mistakes() if self._cell is None else predictions.cell(*self._cell)
        what = "Mistakes" if self._cell is None else name_of(self._cell, results.classes)
        split = "training" if self._split == "train" else "validation"
        self._heading.text = f"{what}: {len(indices):,} {split} image{'s' * (len(indices) != 1)}"
        self._all.set_visibility(self._cell is not None)
        self._images.clear()
        with self._images:
            shown = indices[: self._num_shown]
            draw_images(self._session, predictions, shown, results.classes, self._relabel)
            if len(shown) < len(indices):
                ui.button("More", on_click=self._show_more).props("flat no-caps")

    def _show_more(self) -> None:
        self._num_shown += _IMAGES_PER_PAGE
        self.show_images()
