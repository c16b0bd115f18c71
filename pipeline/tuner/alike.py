"""More like this: the images with the nearest features, in a window above the page."""

from collections.abc import Callable
from functools import partial

from nicegui import html, run, ui

from pipeline.tuner.choice import Choice
from pipeline.tuner.session import Session


class AlikeWindow:
    """The window, closed at first.

    Args:
        session: Its training and validation images are compared.
        label_of: What is known of an image, from its row in the manifest.
    """

    def __init__(self, session: Session, label_of: Callable[[int], str]) -> None:
        self._session, self._choice, self._label_of = session, Choice(), label_of
        with ui.dialog() as self._dialog, ui.card().classes("alike"):
            with html.div().classes("line"):
                with html.h2():
                    self._heading = ui.label()
                ui.button("Close", on_click=self._dialog.close).props("flat dense no-caps")
            html.p(
                "The training and validation images with the highest cosine of the pooled features; 1 is the same direction."
            ).classes("note")
            self._images = html.div().classes("images")

    @property
    def is_open(self) -> bool:
        """Whether it is shown."""
        return bool(self._dialog.value)

    def draw_button(self, row: int, choice: Choice) -> None:
        """Draw what opens the window for a row of the manifest, in the current element."""
        button = html.button("More like this", type="button").classes("like")
        button.on("click", partial(self.open, row, choice), [])

    async def open(self, row: int, choice: Choice) -> None:
        """Show the images like this one."""
        found = await run.io_bound(self._session.alike, choice, row)
        if found is None:
            return
        self._heading.text = f"Like {self._session.manifest.names[row]}"
        self._images.clear()
        with self._images:
            self._draw(row, "this image", None)
            for near, cosine in found:
                self._draw(near, f"cosine {cosine:.3f}", choice)
        self._dialog.open()

    def _draw(self, row: int, text: str, choice: Choice | None) -> None:
        image = self._session.shown(row)
        address = f"/image/{self._session.manifest.digests[row].hex()}"
        with html.figure(**{"data-row": row}).classes("image" if choice else "image current"):
            html.img(src=address, alt=image.path, title=image.path, loading="lazy")
            with html.figcaption():
                html.p(image.path.rpartition("/")[2], title=image.path).classes("name")
                html.p(self._label_of(row)).classes("label")
                html.p(text).classes("prediction")
                if choice:
                    self.draw_button(row, choice)
