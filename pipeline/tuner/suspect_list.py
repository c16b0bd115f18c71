"""The list of suspect labels on the page: likely label or given label, by a press or by a key; the list is ranked again at once."""

from collections.abc import Callable
from functools import partial

from nicegui import html, run, ui
from nicegui.events import KeyEventArguments

from pipeline.errors import PipelineError
from pipeline.insight.findings import Suspect
from pipeline.tuner.actions import LabelActions
from pipeline.tuner.choice import Choice
from pipeline.tuner.parts import draw_list
from pipeline.tuner.session import Session
from pipeline.tuner.suspects import Suspects, pooled

_STEP = 24
"""Images that are shown at first, and that `More` adds."""

_HELP = (
    "Each training and validation image is judged by ridge without it, its group and its copies. The small images are the "
    "nearest ones that have another label."
)
_KEYS = {"n": "next", "b": "back", "a": "take the likely label", "k": "the label is right", "u": "undo"}

# The chosen image is seen, and has the focus unless something else was chosen.
_SHOW_CURRENT = (
    "const chosen = document.querySelector('.suspects .current'); chosen?.scrollIntoView({block: 'nearest'}); "
    "if (document.activeElement === document.body) chosen?.querySelector('button')?.focus({preventScroll: true})"
)


class SuspectList:
    """The list in the current element, hidden at first.

    Args:
        session: Its images are judged.
        actions: What a user can do to their labels.
        draw_more: Draws what every image has below its label, from its row.
        is_covered: Whether something else is shown above the page, so that keys are not for the list.
        is_drawn: Called when the images of the list were drawn.
    """

    def __init__(
        self,
        session: Session,
        actions: LabelActions,
        draw_more: Callable[[int], None],
        is_covered: Callable[[], bool],
        is_drawn: Callable[[], None],
    ) -> None:
        self._session, self._actions = session, actions
        self._draw_more, self._is_covered, self._is_drawn = draw_more, is_covered, is_drawn
        self._suspects: Suspects | None = None
        self._pooling: str | None = None
        """Of the ranking that is shown."""

        self._count, self._current, self._of_checked = _STEP, 0, False
        with html.div() as self._pane:
            with html.div().classes("line"):
                with html.h2():
                    self._heading = ui.label("Suspect labels")
                self._other = ui.button(on_click=self._switch).props("flat dense no-caps")
                self._other.set_visibility(False)
            self._draw_help()
            self._images = html.div().classes("suspects")
        self._keys = ui.keyboard(self._press, active=False, repeating=False, ignore=["input", "select", "textarea"])
        self._pane.set_visibility(False)

    @property
    def is_open(self) -> bool:
        """Whether it is shown."""
        return bool(self._keys.active)

    @property
    def rows(self) -> list[int]:
        """Rows in the manifest of the images that it shows."""
        return [suspect.image.row for suspect in self._suspects.shown] if self._suspects else []

    async def open(self, choice: Choice) -> None:
        """Show the list."""
        self._pane.set_visibility(True)
        self._keys.active = True
        await self.follow(choice)

    def close(self) -> None:
        """Hide the list; its keys do nothing then."""
        self._pane.set_visibility(False)
        self._keys.active, self._pooling = False, None  # ranked when it is opened again
        self._images.clear()

    async def follow(self, choice: Choice) -> None:
        """Rank again if the choice has another pooling than the ranking that is shown."""
        if self.is_open and pooled(choice.pooling) != self._pooling:
            self._heading.text = "Suspect labels: judging \u2026"
            await self.rank(choice)

    async def rank(self, choice: Choice, row: int | None = None) -> None:
        """Rank again, if the list is shown; `row` is chosen if it is in the list."""
        if not self.is_open:
            self._pooling = None  # ranked when it is opened
            return
        try:
            found = await run.io_bound(
                partial(self._session.suspects, choice, self._count, of_checked=self._of_checked)
            )
        except PipelineError as error:
            self._heading.text = f"Suspect labels: none can be judged. {error}"
            return
        if found is not None:
            self._suspects, self._pooling = found, pooled(choice.pooling)
            self._draw(row)

    def _draw_help(self) -> None:
        with html.p().classes("note keys"):
            ui.label(_HELP)
            for key, what in _KEYS.items():
                with html.span():
                    html.kbd(key)
                    ui.label(what)

    def _draw(self, row: int | None) -> None:
        suspects = self._suspects
        if suspects is None:
            return
        rows = self.rows
        self._current = rows.index(row) if row in rows else max(0, min(self._current, len(rows) - 1))
        self._show_heading(suspects)
        self._images.clear()
        with self._images:
            with html.div().classes("images"):
                self._cards = [self._draw_card(suspect) for suspect in suspects.shown]
            if len(rows) < len(suspects.rows):
                ui.button("More", on_click=self._show_more).props("flat no-caps")
            if not rows:
                html.p("No label is checked." if self._of_checked else "No label is left that looks wrong.")
            self._is_drawn()
        self._mark()

    def _show_heading(self, suspects: Suspects) -> None:
        total = len(self._session.manifest.split("train")) + len(self._session.manifest.split("validation"))
        count, num_checked = f"{len(suspects.rows):,}", suspects.num_checked
        self._heading.text = (
            f"Checked labels: {count}" if self._of_checked else f"Suspect labels: {count} of {total:,} images"
        )
        self._other.text = "Suspects" if self._of_checked else f"{num_checked:,} checked"
        self._other.set_visibility(self._of_checked or num_checked > 0)

    async def _switch(self) -> None:
        """Show those that were checked, or the others."""
        self._of_checked, self._count, self._current = not self._of_checked, _STEP, 0
        await self._again()

    def _mark(self) -> None:
        """Show which image the keys are for."""
        for place, card in enumerate(self._cards):
            is_current = place == self._current
            card.classes(remove="current", add="current" if is_current else None)
            card.props["aria-current"] = "true" if is_current else "false"
        with self._images:
            ui.run_javascript(_SHOW_CURRENT)

    def _draw_card(self, suspect: Suspect) -> html.figure:
        image, names = suspect.image, self._session.manifest
        with html.figure(**{"data-row": image.row}).classes("image") as card:
            html.img(src=_address(self._session, image.row), alt=image.path, title=image.path, loading="lazy")
            with html.figcaption():
                html.p(image.path.rpartition("/")[2], title=image.path).classes("name")
                html.p(f"label {image.label}, {100 * suspect.probability:.0f}\u00a0%").classes("label")
                html.p(f"likely {suspect.likely}, {100 * suspect.likely_probability:.0f}\u00a0%").classes("prediction")
                with html.div().classes("near"):
                    for near in suspect.neighbours:
                        what = f"{near.image.path}: {near.image.label}, cosine {near.cosine:.3f}"
                        html.img(src=_address(self._session, near.image.row), alt=what, title=what, loading="lazy")
                take = html.button(f"Relabel: {suspect.likely}", type="button").classes("relabel")
                take.on("click", partial(self._actions.relabel, image.row, suspect.likely), [])
                keep = html.button("Ask again" if self._of_checked else "Label is right", type="button")
                keep.classes("relabel").on("click", partial(self._keep, image.row), [])
                options = [(name, name) for name in names.classes]
                draw_list(f"Label of {image.path}", options, image.label, partial(self._actions.relabel, image.row))
                self._draw_more(image.row)
        return card

    async def _keep(self, row: int) -> None:
        """The label is right; of those that were checked: ask again."""
        await (self._actions.uncheck(row) if self._of_checked else self._actions.check(row))

    async def _show_more(self) -> None:
        self._count += _STEP
        await self._again()

    async def _again(self) -> None:
        await self.rank(Choice(pool=self._pooling))

    async def _press(self, event: KeyEventArguments) -> None:
        pressed, held = str(event.key).lower(), event.modifiers
        if not event.action.keydown or held.ctrl or held.alt or held.meta:
            return
        if self._suspects is None or self._is_covered():
            return
        shown = self._suspects.shown
        if pressed == "u":
            await self._actions.undo()
        elif pressed in ("n", "b") and shown:
            self._current = (self._current + (1 if pressed == "n" else -1)) % len(shown)
            self._mark()
        elif pressed == "a" and shown:
            suspect = shown[self._current]
            await self._actions.relabel(suspect.image.row, suspect.likely)
        elif pressed == "k" and shown and not self._of_checked:
            await self._actions.check(shown[self._current].image.row)


def _address(session: Session, row: int) -> str:
    return f"/image/{session.manifest.digests[row].hex()}"
