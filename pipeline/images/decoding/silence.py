"""Keep what Pillow and libtiff print about odd files off the terminal, without a change that a host program could notice.

Whatever matters is raised or returned. The rest (corrupt tags, decompression bombs, palettes) are Python warnings, and lines that
libtiff writes to stderr itself.
"""

import contextlib
import ctypes
import functools
import re
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL


class _WhileDecoding(threading.local):
    """Stands where a warning filter has the regular expression of a module: it matches in threads that decode, and in no other.

    `warnings.catch_warnings` would change the filters of all threads.
    """

    depth = 0
    pattern = "(?!)"
    """What scikit-learn reads from a filter in order to set it in its workers: an expression that never matches."""

    def __reduce__(self) -> tuple[Any, ...]:
        """In another process, where nothing of this one is decoded, such an expression takes its place."""
        return re.compile, (self.pattern,)

    def match(self, _module: str) -> bool:
        return self.depth > 0


_DECODING = _WhileDecoding()
_FILTER: Any = ("ignore", None, Warning, _DECODING, 0)


@contextlib.contextmanager
def no_warnings() -> Iterator[None]:
    """No Python warning of this thread is shown or raised in this block, whatever filters the program has set."""
    filters: Any = warnings.filters
    if not filters or filters[0] is not _FILTER:
        filters.insert(0, _FILTER)  # again, where the program has put filters before it or has restored older ones
    _DECODING.depth += 1
    try:
        yield
    finally:
        _DECODING.depth -= 1


@functools.cache
def silence_libtiff() -> None:
    """Take away the handler with which Pillow's libtiff writes errors to stderr; Pillow raises them as well.

    The handler is one for the whole process, and stays away: setting it for each image would race between threads. Where
    libtiff is no library of its own (in Pillow's wheels for Windows), its lines remain.
    """
    for path in _libtiff_paths():
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(path).TIFFSetErrorHandler(None)


def _libtiff_paths() -> list[str]:
    """The libtiff libraries that are loaded (Linux), or that came with Pillow (its wheels for Linux and macOS)."""
    package = Path(PIL.__file__).parent
    shipped = [
        *package.parent.glob("[pP]illow.libs/libtiff*"),
        *package.glob(".dylibs/libtiff*"),
    ]
    with contextlib.suppress(OSError):
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
        loaded = {line.split(maxsplit=5)[5] for line in maps.splitlines() if "/libtiff" in line}
        return sorted(loaded) or [str(path) for path in shipped]
    return [str(path) for path in shipped]
