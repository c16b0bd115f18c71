"""Progress bars on standard error, or as a widget in a notebook."""

import os
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm


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
    settings = {"desc": desc, "total": total, "initial": initial, "unit": unit, "delay": delay, "disable": not progress}
    return tqdm(items, **settings, **_shape())


def _shape() -> dict[str, int]:
    """A size for terminals that say that they have none, as those of containers can: tqdm would draw nothing. Empty: tqdm asks."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (AttributeError, OSError, ValueError):
        return {}
    return {} if columns else {"ncols": 80, "nrows": 24}


def note(text: str, *, progress: bool) -> None:
    """Print a line on standard error, above the bars, where bars are shown."""
    from tqdm import tqdm

    if progress:
        tqdm.write(text, file=sys.stderr)
