"""The pictures of a run, drawn here or by a process that loads matplotlib while the head is still being trained."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

History = Sequence[Mapping[str, float]]
Draw = Callable[
    [Path, History, Sequence[Sequence[int]], Sequence[str], str, str], contextlib.AbstractContextManager[None]
]
"""Folder, history, confusion matrix, its classes, its split, title; the pictures are there when the context is left."""


def draw(
    folder: Path,
    history: History,
    confusion: Sequence[Sequence[int]],
    classes: Sequence[str],
    split: str,
    title: str,
) -> contextlib.AbstractContextManager[None]:
    """Curves, if there is a history, and the confusion matrix of a split; they are there when this returns."""
    from pipeline.results.plots import draw_confusion, draw_curves

    if history:
        draw_curves(folder / "curves.png", history, title)
    draw_confusion(folder / "confusion.png", confusion, classes, f"{title}\n{split} images")
    return contextlib.nullcontext()


@contextlib.contextmanager
def drawing_ahead() -> Iterator[Draw]:
    """What draws one run as `draw` does, in a process that is started now; where that cannot be, this one draws.

    Loading matplotlib takes as long as fitting a linear head, and a second core has nothing else to do meanwhile. It also draws
    while this process writes.
    """
    command = [sys.executable, "-m", __name__]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        process = subprocess.Popen(command, **pipes)  # type: ignore[call-overload]
    except OSError:
        yield draw
        return

    @contextlib.contextmanager
    def hand_over(folder: Path, *what: object) -> Iterator[None]:
        with (
            contextlib.suppress(OSError),
            process.stdin as pipe,
        ):  # it has died where this fails, and that is seen below
            pipe.write(json.dumps([str(folder.absolute()), *what]).encode())
        try:
            yield
        finally:
            failed = process.wait() != 0
        if failed:
            draw(folder, *what)  # type: ignore[arg-type]

    with process:
        yield hand_over


def main() -> None:
    """Load matplotlib, wait for one run, draw it."""
    from pipeline.results import plots  # noqa: F401 loaded before there is something to draw

    text = sys.stdin.read()
    if text:
        folder, *what = json.loads(text)
        draw(Path(folder), *what)


if __name__ == "__main__":
    main()
