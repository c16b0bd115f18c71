"""Coroutines for callers that wait: they run in fsspec's own thread."""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")
_POLL_SECONDS = 0.2
_TURN_SECONDS = 0.0005


def start(work: Coroutine[Any, Any, _T]) -> "Future[_T]":
    """Begin a coroutine in that thread."""
    from fsspec.asyn import get_loop

    return asyncio.run_coroutine_threadsafe(work, get_loop())


@contextlib.contextmanager
def prompt() -> Iterator[None]:
    """Let the thread of the coroutines have its turn at once, while other threads compute.

    It waits for the interpreter's lock after every answer of a server, by default for 5 ms; small objects came at a sixth of their speed.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


def wait(work: Coroutine[Any, Any, _T], meanwhile: Callable[[], object] = lambda: None) -> _T:
    """The result of a coroutine. An interrupt of the caller ends it.

    Args:
        work: The coroutine.
        meanwhile: Called a few times per second, in the caller's thread.
    """
    with running(work) as result:
        return result(meanwhile)


@contextlib.contextmanager
def running(work: Coroutine[Any, Any, _T]) -> Iterator[Callable[[Callable[[], object]], _T]]:
    """A coroutine that runs while the caller does something else. It ends with the context.

    Yields:
        Waits for the result; its argument is called a few times per second, in the caller's thread.
    """
    future = start(work)

    def result(meanwhile: Callable[[], object]) -> _T:
        while not future.done():
            try:
                return future.result(_POLL_SECONDS)
            except TimeoutError:
                if future.done():
                    break
                meanwhile()
        return future.result()

    try:
        yield result
    finally:
        future.cancel()
