"""The results of a head: its score, learning curve, the pane of its task, and images."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import html, run, ui

from pipeline.tasks.scores import words_of
from pipeline.tuner.panes.by_task import PANES
from pipeline.tuner.session import Results, Session, SplitPredictions

_IMAGES_PER_PAGE = 60

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
        self._session, self._pane = session, PANES[session.question.task.kind](session, relabel)
        self._results: Results | None = None
        self._predictions: SplitPredictions | None = None
        self._split = "validation"
        self._part: Any = None
        """What is chosen of the pane, such as a cell of the confusion matrix."""

        self._is_strange = False
        """Whether the images farthest from the training images are shown instead of a part."""

        self._num_shown = _IMAGES_PER_PAGE
        self._draw_scores()
        self._draw_tables()

    async def show(self, results: Results) -> None:
        """Show everything but the learning curve."""
        if self._results and results.classes != self._results.classes:
            self._part = None
        self._results, scores = results, results.validation.scores
        self._accuracy.classes(remove="old")
        self._accuracy.text = scores.show(scores.main)
        self._summary.text = f"{self._pane.summary(results)} {results.head} on {results.num_train:,} training images."
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
            html.h2(self._heading_of_scores())
            self._accuracy = ui.label("\u2013").classes("accuracy")
            self._summary = ui.label().classes("note summary")
            self._status = ui.label().classes("status").props("role=status aria-live=polite")
        with html.section().classes("card"):
            html.h2("Learning curve")
            self._curve = ui.echart({}, renderer="svg").classes("curve")

    def _heading_of_scores(self) -> str:
        """With the name of the score that is shown large, unless it is the accuracy."""
        name = self._session.question.task.main_score
        return "Validation" if name == "accuracy" else f"Validation: {words_of(name)}"

    def _draw_tables(self) -> None:
        with html.section().classes("card matrix") as self._matrix:
            with html.div().classes("line"):
                html.h2(self._pane.title)
                splits = {"validation": "validation", "train": "training"}
                toggle = ui.toggle(splits, value=self._split, on_change=lambda event: self._take_split(event.value))
                toggle.props("no-caps unelevated dense padding='xs md'")
            self._table = html.div()
        with html.section().classes("card wide"):
            with html.div().classes("line"):
                with html.h2():
                    self._heading = ui.label("Images")
                self._all = ui.button(f"All {self._pane.worst.lower()}", on_click=lambda: self._take_part(None))
                self._all.props("flat dense no-caps")
                self._strange = ui.button("Strangest", on_click=self._take_strange).props("flat dense no-caps")
                self._strange.props["title"] = "Validation images that are farthest from all training images"
            self._images = html.div()

    async def _take_split(self, split: str) -> None:
        self._split, self._num_shown = split, _IMAGES_PER_PAGE
        self._is_strange = self._is_strange and split == "validation"
        await self._show_split()

    def _take_part(self, part: Any) -> None:
        self._part, self._num_shown, self._is_strange = part, _IMAGES_PER_PAGE, False
        self.show_images()

    def _take_strange(self) -> None:
        self._part, self._num_shown, self._is_strange = None, _IMAGES_PER_PAGE, True
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
        self._matrix.classes(remove="wide", add="wide" if self._pane.is_wide(results) else None)
        self._table.clear()
        with self._table:
            self._pane.draw(predictions, self._take_part)
        self.show_images()

    def show_images(self) -> None:
        """The images of the chosen part, or all mistakes, with their labels."""
        predictions = self._predictions
        if predictions is None or self._results is None:
            return
        pane, part = self._pane, self._part
        pane.mark(part)
        indices = predictions.mistakes() if part is None else pane.indices(predictions, part)
        what = pane.worst if part is None else pane.name_of(part)
        if self._is_strange:
            indices, what = self._session.strangest(predictions), "Strangest first"
        split = "training" if self._split == "train" else "validation"
        self._heading.text = f"{what}: {len(indices):,} {split} image{'s' * (len(indices) != 1)}"
        self._all.set_visibility(part is not None or self._is_strange)
        self._strange.set_visibility(self._split == "validation" and not self._is_strange)
        self._images.clear()
        with self._images:
            shown = indices[: self._num_shown]
            pane.draw_images(predictions, shown, part)
            if len(shown) < len(indices):
                ui.button("More", on_click=self._show_more).props("flat no-caps")

    def _show_more(self) -> None:
        self._num_shown += _IMAGES_PER_PAGE
        self.show_images()
