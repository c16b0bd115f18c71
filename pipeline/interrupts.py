"""Ctrl-C and SIGTERM: the first one stops a command in an orderly way, the second one ends it at once, even if a thread hangs."""

import contextlib
import ctypes
import signal
import sys
from types import FrameType

_NOTE = "\nStopping: what has been computed is saved first. Press Ctrl-C again to end at once.\n"


def stop_in_order() -> None:
    """Make the first Ctrl-C or SIGTERM raise KeyboardInterrupt in the main thread, and the second one end the process.

    A Python handler runs only when the main thread can run Python code. While a native library blocks it, the handler never runs,
    so it cannot remove itself. With the GNU C library, the system removes it at the first signal.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
        with contextlib.suppress(AttributeError, OSError):  # not the GNU C library: `_interrupt` removes itself
            _reset_at_first_signal(number)


def _interrupt(number: int, _: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(_NOTE)
    raise KeyboardInterrupt


def _reset_at_first_signal(number: int) -> None:
    """Install Python's C handler again, by the function of the C library whose handlers run only once (SA_RESETHAND)."""
    library = ctypes.CDLL(None)
    install_once = library.sysv_signal  # looked up first, so that nothing is changed if it is missing
    for function in (library.signal, install_once):
        function.argtypes, function.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    handler = library.signal(number, None)  # None is SIG_DFL; returns the handler that Python has just installed
    install_once(number, handler)
