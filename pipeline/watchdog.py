"""The watchdog: a command that makes no progress ends with the stacks of all its threads instead of hanging for ever.

A native library can block while it holds the interpreter's lock. Then no Python code runs, neither a thread of this module nor
the handler of Ctrl-C. So there are two timers: a Python thread, which also reports what was committed, and a little later
`faulthandler`, whose timer is written in C and needs no lock; there the message is in the stack of this module's thread.

Only the command line arms the watchdog: a library must not end the process of its caller.
"""

import contextlib
import faulthandler
import os
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from typing import Protocol

from pipeline.interrupts import end_children

LIMIT_SECONDS = 600.0
"""Time without any progress after which a job counts as hung. A batch, a commit and an epoch each take far less."""

CLUSTER_LIMIT_SECONDS = 3600.0
"""The same for jobs in other processes and on other machines, which report only whole tasks."""

_BACKSTOP_SECONDS = 15.0
"""How much later the timer in C fires."""

_EXIT_CODE = 1

Report = Callable[[str], None]
"""Prints a message for the user."""

_reports: list[Report] = []
"""The current report function is the last one; empty unless the watchdog is armed."""


@contextlib.contextmanager
def armed(report: Report) -> Iterator[None]:
    """End this process when one of its watched jobs hangs; the message goes to `report`."""
    _reports.append(report)
    try:
        yield
    finally:
        _reports.pop()


class Moved(Protocol):
    """A watched job calls this whenever it has made progress."""

    def __call__(self, kept: str | None = None) -> None:
        """Note progress. `kept` is a sentence on what is committed so far; None: unchanged."""
        ...


@contextlib.contextmanager
def watch(job: str, limit_seconds: float | None = None) -> Iterator[Moved]:
    """Watch a job if the watchdog is armed.

    Args:
        job: Name of the job in messages, such as `Stage one`.
        limit_seconds: Time without progress after which it counts as hung; None: `LIMIT_SECONDS`.
    """
    if not _reports:
        yield ignore
        return
    watched = _Watch(job, LIMIT_SECONDS if limit_seconds is None else limit_seconds)
    threading.Thread(target=watched.wait, name="watchdog", daemon=True).start()
    try:
        yield watched.moved
    finally:
        watched.is_over.set()
        faulthandler.cancel_dump_traceback_later()


def ignore(kept: str | None = None) -> None:
    """Do nothing: the `Moved` of a job that is not watched."""


def _pause(is_over: threading.Event, seconds: float) -> bool:
    return is_over.wait(seconds)


def _named(function: Callable[..., bool], text: str) -> Callable[..., bool]:
    """The function with a text in the place of its file name, which `faulthandler` prints with the thread's stack.

    It is the only text of ours that can be shown while a native call holds the interpreter's lock.
    """
    return types.FunctionType(function.__code__.replace(co_filename=text), function.__globals__)


class _Watch:
    """A watched job.

    Args:
        job: Name of the job in messages.
        limit_seconds: Time without progress after which it counts as hung.
        clock: Returns the time in seconds.
    """

    def __init__(self, job: str, limit_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.job, self.limit_seconds, self._clock = job, limit_seconds, clock
        self.is_over = threading.Event()
        self._kept = "Nothing was committed yet."
        self._moved = self._timer_set = clock()
        self._set_timer()

    def moved(self, kept: str | None = None) -> None:
        """Note progress; see `Moved`."""
        self._moved = self._clock()
        self._kept = kept or self._kept
        if self._moved - self._timer_set > min(1.0, self.limit_seconds / 10):  # setting the timer starts a thread
            self._set_timer()

    def wait(self) -> None:
        """Return when the job is over; end the process when it hangs."""
        while not _named(_pause, f"{self.job}, no progress. {self._kept}")(self.is_over, self._pause_seconds()):
            if self.seconds_left() <= 0:
                self._end()

    def _pause_seconds(self) -> float:
        """Short, so that the name of the pause says what is committed by now."""
        return min(1.0, max(0.05, self.seconds_left()))

    def seconds_left(self) -> float:
        """Time until the job counts as hung, unless it makes progress."""
        return self._moved + self.limit_seconds - self._clock()

    def _end(self) -> None:
        _reports[-1](
            f"{self.job}: no progress for {self.limit_seconds / 60:.3g} minutes, so the command ends. {self._kept} "
            "Below are the stacks of all threads; please report them."
        )
        if sys.__stderr__ is not None:
            faulthandler.dump_traceback(sys.__stderr__, all_threads=True)
        end_children()
        os._exit(_EXIT_CODE)  # a hung thread would keep the interpreter from shutting down

    def _set_timer(self) -> None:
        self._timer_set = self._clock()
        if sys.__stderr__ is not None:
            faulthandler.dump_traceback_later(
                self.limit_seconds + _BACKSTOP_SECONDS, exit=True, file=sys.__stderr__.fileno()
            )
