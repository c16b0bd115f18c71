"""Progress bars on standard error, or as a widget in a notebook."""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


logger = logging.getLogger(__name__)


def drop_wrong_variables() -> None:
    """Remove all `TQDM_...` from the environment, with a warning, if no bar can be drawn with them: tqdm reads them while it is imported."""
    given = [name for name in os.environ if name.startswith("TQDM_")]
    if not given or "tqdm" in sys.modules:
        return
    try:
        _draw_a_bar()
    except Exception as error:  # noqa: BLE001 whatever a format or a file raises
        for name in given:
            del os.environ[name]
        for name in [name for name in sys.modules if name.partition(".")[0] == "tqdm"]:
            del sys.modules[name]
        logger.warning(
            "No progress bar can be drawn with %s in the environment (%s): ignored. Correct or unset it.",
            ", ".join(sorted(given)),
            error or type(error).__name__,
        )


def _draw_a_bar() -> None:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0  # no thread

    with contextlib.redirect_stderr(io.StringIO()):
        list(Bar(range(1)))


def is_notebook() -> bool:
    """Whether this process is the kernel of a notebook: nobody else can have imported its package."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", ())


def is_watched() -> bool:
    """Whether somebody is likely to see a bar: standard error is a terminal, or this is a notebook."""
    return is_notebook() or _is_terminal(sys.stderr)


def _is_terminal(stream: object) -> bool:
    """Whether a stream says that it is one; programs put objects with little more than `write` in the place of theirs, or close them."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return False


def is_shown(progress: bool | None) -> bool:
    """What a keyword `progress` asks for; None: bars where somebody watches."""
    return is_watched() if progress is None else progress


def progress_bar(
    items: Iterable[Any] | None = None,
    *,
    desc: str,
    unit: str,
    progress: bool,
    total: int | None = None,
    initial: int = 0,
    delay: float = 2,
) -> "tqdm[Any]":
    """A bar that shows itself after some seconds.

    Args:
        items: What is iterated over; None: the caller moves the bar.
        desc: A word in front of the bar.
        unit: What is counted.
        progress: Whether the bar is shown.
        total: How many; None: unknown, or the number of items.
        initial: How many were done before.
        delay: Seconds until it is shown, so that what is quick shows none.
    """
    if progress and is_notebook() and find_spec("ipywidgets"):
        from tqdm.notebook import tqdm
    else:
        from tqdm import tqdm
    return tqdm(items, desc=desc, total=total, initial=initial, unit=unit, delay=delay, disable=not progress)


def note(text: str, *, progress: bool) -> None:
    """Print a line on standard error, above the bars, where bars are shown."""
    from tqdm import tqdm

    if progress:
        tqdm.write(text, file=sys.stderr)
