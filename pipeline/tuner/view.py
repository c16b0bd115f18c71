"""What a head does: its accuracy, learning curve, confusion matrix, and photographs."""

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import html, run, ui
from nicegui.element import Element

from pipeline.tuner.parts import Cell, draw_confusion, draw_photographs, name_of
from pipeline.tuner.session import Answers, Results, Session

_PHOTOGRAPHS_A_PAGE = 60
_WIDE = 10  # classes above which the matrix has a row of the page to itself

# Who relabels by keyboard goes on with the next photograph.
_KEEP_FOCUS = (
    "if (document.activeElement === document.body) "
    "document.querySelector('.photograph button, .photograph select')?.focus({preventScroll: true})"
)


class View:
    """Results in the current element.

    Args:
        session: Whose photographs are shown.
        relabel: Told the row in the manifest and its new label.
    """

    def __init__(self, session: Session, relabel: Callable[[int, str], Awaitable[None]]) -> None:
        self._session, self._relabel = session, relabel
        self._results: Results | None = None
        self._answers: Answers | None = None
        self._split = "validation"
        self._cell: Cell | None = None
        self._buttons: dict[Cell, Element] = {}
        self._num_shown = _PHOTOGRAPHS_A_PAGE
        self._draw_scores()
        self._draw_tables()

    async def show(self, results: Results) -> None:
        """All but the learning curve."""
        if self._results and results.classes != self._results.classes:
            self._cell = None
        self._results, scores = results, results.validation.scores
        low, high = scores.ci95
        num_right = sum(row[number] for number, row in enumerate(scores.confusion))
        self._accuracy.classes(remove="old")
        self._accuracy.text = f"{scores.accuracy:.1%}"
        self._summary.text = (
            f"{num_right:,} of {scores.n:,} right (95 % interval {low:.1%} to {high:.1%}), log loss "
            f"{scores.loss:.4f}. {results.head} on {results.num_train:,} training images."
        )
        seconds = results.seconds
        self.say(f"Fitted in {seconds:.1f} s." if seconds > 1 else f"Fitted in {1000 * seconds:.0f} ms.")
        await self._show_split()

    def show_curve(self, options: dict[str, Any]) -> None:
        """ECharts' options."""
        self._curve.options.clear()
        self._curve.options.update(options)
        self._curve.update()
        self._curve.classes(remove="old")

    def keep_focus(self) -> None:
        """After photographs were drawn anew."""
        with self._photographs:
            ui.run_javascript(_KEEP_FOCUS)

    def say(self, text: str, *, is_error: bool = False) -> None:
        """One line below the scores."""
        self._status.text = text
        self._status.classes(remove="error", add="error" if is_error else None)

    def fade(self) -> None:
        """What is shown is not that of the choice any more."""
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
                    self._heading = ui.label("Photographs")
                self._all = ui.button("All mistakes", on_click=lambda: self._take_cell(None)).props(
                    "flat dense no-caps"
                )
            self._photographs = html.div()

    async def _take_split(self, split: str) -> None:
        self._split, self._num_shown = split, _PHOTOGRAPHS_A_PAGE
        await self._show_split()

    def _take_cell(self, cell: Cell | None) -> None:
        self._cell, self._num_shown = cell, _PHOTOGRAPHS_A_PAGE
        self.show_photographs()

    async def _show_split(self) -> None:
        results = self._results
        if results is None:
            return
        # Neighbours of all training images take long to find, and the page must not wait for them.
        is_train = self._split == "train"
        answers = await run.io_bound(lambda: results.train) if is_train else results.validation
        if answers is None or results is not self._results:
            return
        self._answers = answers
        self._matrix.classes(remove="wide", add="wide" if len(results.classes) > _WIDE else None)
        self._confusion.clear()
        with self._confusion:
            self._buttons = draw_confusion(answers, results.classes, self._take_cell)
        self.show_photographs()

    def show_photographs(self) -> None:
        """The images of the chosen cell, or all mistakes, with their labels."""
        answers, results = self._answers, self._results
        if answers is None or results is None:
            return
        for cell, button in self._buttons.items():
            button.classes(remove="chosen", add="chosen" if cell == self._cell else None)
            button.props["aria-pressed"] = "true" if cell == self._cell else "false"
        places = answers.mistakes() if self._cell is None else answers.cell(*self._cell)
        what = "Mistakes" if self._cell is None else name_of(self._cell, results.classes)
        split = "training" if self._split == "train" else "validation"
        self._heading.text = f"{what}: {len(places):,} {split} photograph{'s' * (len(places) != 1)}"
        self._all.set_visibility(self._cell is not None)
        self._photographs.clear()
        with self._photographs:
            shown = places[: self._num_shown]
            draw_photographs(self._session, answers, shown, results.classes, self._relabel)
            if len(shown) < len(places):
                ui.button("More", on_click=self._show_more).props("flat no-caps")

    def _show_more(self) -> None:
        self._num_shown += _PHOTOGRAPHS_A_PAGE
        self.show_photographs()
