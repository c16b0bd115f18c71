"""The results of a head: its score, learning curve, the pane of its task, and images."""

import json
from collections.abc import Sequence
from typing import Any

from nicegui import html, run, ui

from pipeline.errors import PipelineError
from pipeline.tasks.scores import words_of
from pipeline.tuner.actions import LabelActions
from pipeline.tuner.alike import AlikeWindow
from pipeline.tuner.choice import Choice
from pipeline.tuner.evidence import evidence_of
from pipeline.tuner.panes.by_task import PANES
from pipeline.tuner.session import Results, Session, SplitPredictions
from pipeline.tuner.suspect_list import SuspectList

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
        actions: What a user can do to their labels.
    """

    def __init__(self, session: Session, actions: LabelActions) -> None:
        self._session, self._actions = session, actions
        self._pane = PANES[session.question.task.kind](session, actions.relabel)
        self._alike = AlikeWindow(session, self._pane.label_of)
        self._pane.draw_more = self._draw_more
        self._results: Results | None = None
        self._predictions: SplitPredictions | None = None
        self._split = "validation"
        self._part: Any = None
        """What is chosen of the pane, such as a cell of the confusion matrix."""

        self._is_strange = False
        """Whether the images farthest from the training images are shown instead of a part."""

        self._num_shown = _IMAGES_PER_PAGE
        self._judged_rows: Sequence[int] = ()
        """Rows in the manifest of the images in the list of predictions."""

        self._is_looking = False
        ui.on("look", lambda event: self._take_look(event.args))
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
        if self._suspects:
            await self._suspects.follow(results.choice)

    async def rank_again(self, row: int | None = None) -> None:
        """Rank suspect labels after a change; `row` is the image that was changed back."""
        if self._suspects:
            await self._suspects.rank(self._choice, row)

    @property
    def _choice(self) -> Choice:
        return self._results.choice if self._results else Choice()

    def _draw_more(self, row: int) -> None:
        """What every image has below its label."""
        self._alike.draw_button(row, self._choice)

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
            has_suspects = self._session.question.task.is_exclusive
            with html.div().classes("line"):
                if has_suspects:
                    lists = {False: self._pane.worst, True: "Suspect labels"}
                    toggle = ui.toggle(
                        lists, value=False, on_change=lambda event: self._take_list(suspects=event.value)
                    )
                    toggle.props("no-caps unelevated dense padding='xs md'").classes("lists")
                self._look = ui.button("Where it looked (e)", on_click=self._look_at_all)
                self._look.props("flat dense no-caps aria-pressed=false")
            with html.div() as self._judged:
                with html.div().classes("line"):
                    with html.h2():
                        self._heading = ui.label("Images")
                    self._all = ui.button(f"All {self._pane.worst.lower()}", on_click=lambda: self._take_part(None))
                    self._all.props("flat dense no-caps")
                    self._strange = ui.button("Strangest", on_click=self._take_strange).props("flat dense no-caps")
                    self._strange.props["title"] = "Validation images that are farthest from all training images"
                self._images = html.div()
            self._suspects = self._draw_suspects() if has_suspects else None

    def _draw_suspects(self) -> SuspectList:
        return SuspectList(self._session, self._actions, self._draw_more, lambda: self._alike.is_open, self._look_again)

    async def _take_list(self, *, suspects: bool) -> None:
        self._judged.set_visibility(not suspects)
        if self._suspects and suspects:
            await self._suspects.open(self._choice)
        elif self._suspects:
            self._suspects.close()

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
            self._judged_rows = [int(row) for row in predictions.rows[shown]]
            self._look_again()

    @property
    def _shown(self) -> Sequence[int]:
        """Rows in the manifest of the images that are shown."""
        return self._suspects.rows if self._suspects and self._suspects.is_open else self._judged_rows

    def _look_again(self) -> None:
        """Show the maps of images that were drawn anew, if all are shown."""
        if self._is_looking:
            ui.timer(0, lambda: self._look_at(self._shown), once=True)

    async def _take_look(self, row: int | None) -> None:
        """Show where the head looked in one image, or in all."""
        await (self._look_at_all() if row is None else self._look_at([row]))

    async def _look_at_all(self) -> None:
        self._is_looking = not self._is_looking
        self._look.props["aria-pressed"] = "true" if self._is_looking else "false"
        if self._is_looking:
            await self._look_at(self._shown)
        else:
            ui.run_javascript("lookAwayFromAll()")

    async def _look_at(self, rows: Sequence[int]) -> None:
        results = self._results
        if results is None or not rows:
            return
        try:
            found = await run.io_bound(evidence_of, self._session, results, rows)
        except (PipelineError, OSError) as error:
            self.show_status(str(error), is_error=True)
            return
        if found is not None and results is self._results:
            ui.run_javascript(f"lookAt({json.dumps(found)})")

    def _show_more(self) -> None:
        self._num_shown += _IMAGES_PER_PAGE
        self.show_images()
