"""Ctrl-C, SIGTERM and SIGHUP: the first one stops a command in an orderly way, the second one ends it at once, even if a thread hangs.

The first one raises `Stop` in the main thread, and what has been computed is committed on the way out. Three things can go wrong with
that. Native code may lose the exception, or make another error of it: then it is raised again. The main thread may be in native code
that does not end: then a thread ends the process after `STOP_SECONDS`. And that code may hold the interpreter's lock, so that no
Python code runs: then the second signal ends the process, as the system does it.
"""

import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

import psutil

EXIT_CODE = 130
_ENDING = (signal.SIGINT, signal.SIGTERM)
"""The second one of these ends the process at once."""

_SIGNALS = (*_ENDING, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
"""SIGHUP: the terminal was closed, or the connection to it was lost. It comes twice, from the shell and from the system."""

_AGAIN = getattr(signal, "SIGURG", signal.SIGTERM)
"""A signal that this process sends to itself; without a handler it has no effect."""

STOP_SECONDS = 60.0
"""Time for an orderly stop: a batch is finished and a shard is committed."""

CLOSE_SECONDS = 5.0
"""Time for the process to end once the command has stopped. Threads and workers that hang would keep it for ever."""

_LOOK_SECONDS, _COLLECT_SECONDS = 0.25, 1.0
"""How often a thread looks whether the process has to be ended, and whether the exception was lost."""

_NOTE = "\nStopping: what has been computed is saved first. Press Ctrl-C again to end at once.\n"

Report = Callable[[str], object]
"""Prints a message for the user."""


class Stop(KeyboardInterrupt):
    """Raised in the main thread by the first signal."""

    def __init__(self) -> None:
        super().__init__()
        _on_their_way.add(self)


_on_their_way: "weakref.WeakSet[Stop]" = weakref.WeakSet()
"""Exceptions that were raised and not handled yet; one that was handled or lost exists no more."""


class _State:
    """What has happened to this process."""

    has_arrived = False
    """Whether a signal has arrived."""

    is_stopping = False
    """Whether it was not answered yet."""

    deadline = float("inf")
    """When the process is ended, on the monotonic clock."""

    exit_code = EXIT_CODE


@contextlib.contextmanager
def stopping_in_order(report: Report) -> Iterator[None]:
    """In this context, the first of the signals raises `Stop` in the main thread, and the second one ends the process.

    A Python handler runs only when the main thread can run Python code. While a native library blocks it, the handler never runs,
    so it cannot remove itself. With the GNU C library, the system removes it at the first signal.

    Args:
        report: Prints why the process ends, if it does not end in order.
    """
    usual = {number: signal.getsignal(number) for number in _SIGNALS if not _outlives_its_terminal(number)}
    with _thread(report) if os.name == "posix" else contextlib.nullcontext():
        for number in usual:
            signal.signal(number, _interrupt)
            if number in _ENDING:
                with contextlib.suppress(AttributeError, OSError):  # not the GNU C library: `_interrupt` removes itself
                    _reset_at_first_signal(number)
        try:
            yield
        finally:
            for number, handler in usual.items():
                if signal.getsignal(number) is _interrupt:  # after a signal, the second one still ends the process
                    signal.signal(number, handler)


def is_stopping() -> bool:
    """Whether a signal has arrived and the command has not stopped yet."""
    return _State.is_stopping


def answer(exit_code: int = EXIT_CODE) -> None:
    """Note that the command has stopped. The process ends within `CLOSE_SECONDS` then.

    Args:
        exit_code: Of the process if it has to be ended.
    """
    if _State.is_stopping:
        _State.is_stopping, _State.exit_code = False, exit_code
        _State.deadline = time.monotonic() + CLOSE_SECONDS


def end_children() -> None:
    """Kill all processes that this one has started, and theirs."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()


def _outlives_its_terminal(number: int) -> bool:
    """Whether the command was started with `nohup`, which has this signal ignored."""
    return number not in _ENDING and signal.getsignal(number) is signal.SIG_IGN


def _interrupt(_: int, __: FrameType | None) -> None:
    for either in _SIGNALS:
        if signal.getsignal(either) is _interrupt:
            signal.signal(either, signal.SIG_DFL if either in _ENDING else signal.SIG_IGN)
    _State.has_arrived = _State.is_stopping = True
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(_NOTE)
    raise Stop


def _interrupt_again(_: int, __: FrameType | None) -> None:
    if _State.is_stopping:
        raise Stop


def _reset_at_first_signal(number: int) -> None:
    """Install Python's C handler again, by the function of the C library whose handlers run only once (SA_RESETHAND)."""
    library = ctypes.CDLL(None)
    install_once = library.sysv_signal  # looked up first, so that nothing is changed if it is missing
    for function in (library.signal, install_once):
        function.argtypes, function.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    handler = library.signal(number, None)  # None is SIG_DFL; returns the handler that Python has just installed
    install_once(number, handler)


@contextlib.contextmanager
def _thread(report: Report) -> Iterator[None]:
    """A thread that gets each signal, whatever the main thread does."""
    try:
        there, here = os.pipe()
    except OSError:  # too many open files
        yield
        return
    os.set_blocking(here, False)
    signal.signal(_AGAIN, _interrupt_again)
    threading.Thread(target=_wait, args=(there, report), name="interrupts", daemon=True).start()
    usual = signal.set_wakeup_fd(here, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(usual)
        signal.signal(_AGAIN, signal.SIG_DFL)
        with contextlib.suppress(OSError):
            os.close(here)


def _wait(pipe: int, report: Report) -> None:
    """Wait for a signal that the handler of this module gets, then for the end of the process."""
    with contextlib.suppress(OSError):  # without the thread, the second signal ends the process all the same
        while number := os.read(pipe, 1):
            if number[0] in _SIGNALS and (_State.has_arrived or signal.getsignal(number[0]) is _interrupt):
                _watch_the_end(report)
        os.close(pipe)


def _watch_the_end(report: Report) -> NoReturn:
    start = looked = time.monotonic()
    while (now := time.monotonic()) < min(start + STOP_SECONDS, _State.deadline):
        time.sleep(_LOOK_SECONDS)
        if not _is_answered() and now - looked > _COLLECT_SECONDS:
            looked = now
            _raise_again_if_lost()
    if not _is_answered():
        report(f"Ended after {STOP_SECONDS:g} s without an orderly stop; what was committed is kept.")
    end_children()
    os._exit(_State.exit_code)


def _is_answered() -> bool:
    """Whether the command has stopped; before the main thread has run the handler, it has not."""
    return _State.has_arrived and not _State.is_stopping


def _raise_again_if_lost() -> None:
    """Raise `Stop` in the main thread again, unless one is on its way.

    A signal ends its waiting, too: Python does not run the handler of one that comes while the main thread begins to wait for a lock.
    """
    gc.collect()  # an exception refers to itself through its traceback
    main = threading.main_thread().ident
    if not _on_their_way and main is not None:
        signal.pthread_kill(main, _AGAIN)
