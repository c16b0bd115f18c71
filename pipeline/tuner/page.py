"""The page of a tuning session, made with NiceGUI, which serves all of the page's files from this machine."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache, partial
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from fastapi import HTTPException, Response
from nicegui import app, html, run, ui
from starlette.middleware.trustedhost import TrustedHostMiddleware

from pipeline.errors import PipelineError, UnreadableImageError
from pipeline.images.decoding.decoder import make_thumbnail
from pipeline.interrupts import answer
from pipeline.tuner.actions import LabelActions
from pipeline.tuner.border import HEADERS, Border
from pipeline.tuner.choice import Choice
from pipeline.tuner.controls import Controls
from pipeline.tuner.evidence import evidence_script
from pipeline.tuner.parts import curve_of_epochs, curve_of_sizes
from pipeline.tuner.session import CurvePoint, Session
from pipeline.tuner.view import View
from pipeline.tuner.visits import Visits


class Keep(Protocol):
    """Saves a choice as a run of this name; None: a new name. Returns the name."""

    def __call__(self, choice: Choice, name: str | None, *, replace: bool) -> str:
        """Save; `replace` replaces an existing run of that name."""
        ...


_DEBOUNCE_SECONDS = 0.12
"""A moving slider does not start a fit at every stop."""

_THUMBNAIL_PX = 240
_COLOURS = {None: "as the system", True: "dark", False: "light"}


class _SupersededError(Exception):
    """The choice has changed meanwhile."""


def serve(
    session: Session,
    keep: Keep,
    *,
    title: str,
    host: str,
    port: int,
    is_local: bool,
    on_start: Callable[[str, Session], None] | None = None,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        session: Shared by all browsers.
        keep: Saves a run.
        title: Of the page.
        host: Address to listen on.
        port: Port to listen on.
        is_local: Answer only to this machine's names, so that a page of another site cannot send requests under its own name.
        on_start: Called with the page's address and the session.
    """
    _serve_thumbnails(session)
    visits = Visits()

    def open_page() -> Response | None:
        refusal = visits.admit(ui.context.client)
        if refusal is None:
            Page(session, keep, title)
        return refusal

    if is_local:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    app.add_middleware(Border)
    app.on_startup(visits.watch)
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    if on_start:
        app.on_startup(lambda: on_start(address, session))
    ui.add_css(Path(__file__).with_name("page.css"), shared=True)
    ui.add_body_html(evidence_script(), shared=True)
    try:
        ui.run(
            open_page,
            host=host,
            port=port,
            title=title,
            dark=None,
            language="en-US",
            show=False,
            reload=False,
            tailwind=False,
            show_welcome_message=False,
            headers=HEADERS,
        )
    except KeyboardInterrupt:  # Ctrl-C is how it ends
        answer(exit_code=0)


def _serve_thumbnails(session: Session) -> None:
    """Serve a thumbnail of each image by its SHA-256: `/image/3f...`."""
    rows = {digest.hex(): row for row, digest in enumerate(session.manifest.digests)}

    @lru_cache(maxsize=2048)
    def thumbnail(row: int) -> bytes:
        return make_thumbnail(session.manifest.read(row), _THUMBNAIL_PX)

    @app.get("/image/{digest}")
    def image(digest: str) -> Response:
        try:
            content = thumbnail(rows[digest])
        except (KeyError, OSError, UnreadableImageError) as error:
            raise HTTPException(404) from error
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})


class Page:
    """What one browser shows: its choice, and the fitted head."""

    def __init__(self, session: Session, keep: Keep, title: str) -> None:
        self._session, self._keep = session, keep
        self._is_share = session.question.task.link != "identity"
        self._request = 0
        """Number of the newest request; a fit for an older one ends."""

        self._fitting = asyncio.Lock()

        with html.div().classes("tuner"):
            _draw_header(title)
            with html.section(**{"aria-label": "Choices"}).classes("controls"):
                self._controls = Controls(session, self._refit, self._take_best)
                self._draw_keeping()
            with html.main().classes("results"):
                self._view = View(session, LabelActions(self._relabel, self._check, self._uncheck, self._undo_last))
        self._show_labels()
        ui.context.client.on_delete(self._supersede)
        ui.timer(0, self._refit, once=True)

    def _draw_keeping(self) -> None:
        self._name = ui.input("Name of the run", placeholder="default: from data, base and head").props("stack-label")
        self._replace = ui.checkbox("Replace an existing run of that name").props("dense")
        self._save = ui.button("Save as a run", on_click=self._save_run).props("no-caps unelevated")
        with html.div().classes("line"):
            self._labels = ui.label().classes("note labels")
            self._undo = ui.button("Undo", on_click=self._undo_last).props("flat dense no-caps")
        self._use = html.div().classes("use")
        with self._use:
            html.p("To train on the new labels:").classes("note")
            html.code((self._session.labels and self._session.labels.command) or "")

    def _supersede(self) -> None:
        """End the fit that is running, if there is one."""
        self._request += 1

    async def _refit(self) -> None:
        """Fit the choice, unless it changes meanwhile."""
        self._supersede()
        request, choice = self._request, self._controls.choice
        await asyncio.sleep(_DEBOUNCE_SECONDS)
        async with self._fitting:
            if request == self._request:
                self._view.show_status("Fitting \u2026")
                self._view.fade()
                await self._try(partial(self._fit, choice, request))

    async def _fit(self, choice: Choice, request: int) -> None:
        results = await run.io_bound(self._session.refit, choice, on_epoch=self._watch(request))
        if results is None or request != self._request:
            return
        await self._view.show(results)
        if choice.is_linear:
            points = await run.io_bound(self._points, choice, request)
            if points and request == self._request:
                self._view.show_curve(curve_of_sizes(points, is_share=self._is_share))

    def _points(self, choice: Choice, request: int) -> list[CurvePoint]:
        return list(takewhile(lambda _: request == self._request, self._session.curve(choice)))

    def _watch(self, request: int) -> Callable[[Mapping[str, float]], None]:
        """A function that draws each epoch, and ends the training if the choice has changed."""
        loop = asyncio.get_running_loop()
        history: list[Mapping[str, float]] = []

        def watch(row: Mapping[str, float]) -> None:
            if request != self._request or app.is_stopping:
                raise _SupersededError
            history.append(dict(row))
            loop.call_soon_threadsafe(self._view.show_curve, curve_of_epochs(history, is_share=self._is_share))

        return watch

    async def _take_best(self) -> None:
        async def take() -> None:
            value = await run.io_bound(self._session.best_value, self._controls.choice)
            if value is not None:
                self._controls.move_to(value)

        await self._try(take)

    async def _relabel(self, row: int, label: str) -> None:
        await self._change(partial(self._session.relabel, row, label))

    async def _check(self, row: int) -> None:
        await self._judge(partial(self._session.check, row))

    async def _uncheck(self, row: int) -> None:
        await self._judge(partial(self._session.uncheck, row))

    async def _judge(self, judge: Callable[[], None]) -> None:
        """Take a label for right, or not; no label changes, so that a running training goes on."""

        async def take() -> None:
            await run.io_bound(judge)
            self._show_labels()
            await self._view.rank_again()

        await self._try(take)

    async def _undo_last(self) -> None:
        await self._change(self._session.undo)

    async def _change(self, change: Callable[[], int | None]) -> None:
        """Change a label, rank the suspect ones, then fit the head again; a running training has the old labels, so it ends."""
        before, changes = self._session.manifest, self._session.changes
        if not (change == self._session.undo and changes and changes[-1].before is None):
            self._supersede()

        async def take() -> None:
            try:
                row = await run.io_bound(change)
            except (PipelineError, OSError):
                self._view.show_images()  # with the labels as they are, not the one that was refused
                raise
            self._show_labels()
            await self._view.rank_again(row)
            if self._session.manifest is not before:
                await self._refit()
                self._view.keep_focus()

        await self._try(take)

    async def _save_run(self) -> None:
        async def save() -> None:
            given = self._name.value or None
            replace = bool(given and self._replace.value)
            name = await run.io_bound(partial(self._keep, self._controls.choice, given, replace=replace))
            self._view.show_status(f"Saved as {name}, with test scores.")

        self._save.disable()
        self._view.show_status("Saving \u2026")
        await self._try(save)
        self._save.enable()

    async def _try(self, step: Callable[[], Awaitable[None]]) -> None:
        """Show errors that a user can act on as the status of the page."""
        try:
            await step()
        except _SupersededError:
            pass
        except (PipelineError, OSError) as error:
            self._view.show_status(str(error), is_error=True)

    def _show_labels(self) -> None:
        file, changes = self._session.labels, self._session.changes
        num_changes = sum(change.before is not None for change in changes)
        num_checked = len(changes) - num_changes
        if not self._session.question.relabels:
            self._labels.text = "Numbers are changed in their table, not on this page."
            self._undo.set_visibility(False)
            self._use.set_visibility(False)
            return
        where = f"New labels are saved in {file.path.name}" if file else "Relabelling needs --labels FILE.csv"
        changed = f"; {num_changes} changed since the start" if num_changes else ""
        until = "" if file else ", until the tuner ends"
        checked = f"; {num_checked} checked{until}" if num_checked else ""
        self._labels.text = f"{where}{changed}{checked}."
        self._undo.set_visibility(bool(changes))
        self._use.set_visibility(bool(file and file.command and file.path.exists()))


def _draw_header(title: str) -> None:
    ui.colors(primary="#1f6fb2")  # white text on it is readable; on NiceGUI's own blue it is not
    dark = ui.dark_mode(None)

    def switch() -> None:
        dark.value = {None: True, True: False, False: None}[dark.value]
        button.props["aria-label"] = f"Colours: {_COLOURS[dark.value]}"

    with html.header():
        html.h1(title)
        button = ui.button(icon="contrast", on_click=switch).props("flat round")
        button.props["aria-label"] = f"Colours: {_COLOURS[None]}"
