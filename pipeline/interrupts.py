"""Ctrl-C and SIGTERM: the first one stops a command in good order, the second one ends it at once, whatever its threads do."""

import contextlib
import ctypes
import signal
import sys
from types import FrameType

_NOTE = "\nStopping: what has been computed is saved first. Press Ctrl-C again to end at once.\n"


def stop_in_order() -> None:
    """Make the first Ctrl-C or SIGTERM raise KeyboardInterrupt in the main thread, and leave the second one to the system.

    A Python handler runs only when the main thread gets to run Python code. Where a native library blocks it, the handler never
    runs, so taking it away cannot be left to it: the system itself does that at the first signal, where the C library offers it.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
        with contextlib.suppress(AttributeError, OSError):  # not the GNU C library: `_interrupt` takes itself away
            _reset_at_first_signal(number)


def _interrupt(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(_NOTE)
    raise KeyboardInterrupt


def _reset_at_first_signal(number: int) -> None:
    """Install Python's own C handler again, by the C library's function whose handlers serve once (SA_RESETHAND)."""
    library = ctypes.CDLL(None)
    install_once = library.sysv_signal  # looked up before anything is changed
    for function in (library.signal, install_once):
        function.argtypes, function.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    handler = library.signal(number, None)  # None is SIG_DFL; the handler that Python has just installed comes back
    install_once(number, handler)
