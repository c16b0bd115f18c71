"""Work on several files at a time, in their order."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import TypeVar

from pipeline.cache.shared.layout import Check
from pipeline.progress import progress_bar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class _EndedError(Exception):
    """Nobody waits for this work any more."""


def together(
    work: Callable[[_Item, Check], _Result], items: Sequence[_Item], count: int, *, desc: str, progress: bool
) -> "Generator[tuple[_Item, Future[_Result]], None, None]":
    """Each item with its work, which has ended; the next ones are worked on meanwhile.

    Whoever stops half-way closes the iterator, so that threads end soon.

    Args:
        work: Gets an item, and what to call while it waits for a server.
        items: In their order.
        count: How many are worked on at a time, and wait to be taken.
        desc: A word in front of the progress bar.
        progress: Whether it is shown.
    """
    ended, waiting = Event(), deque[tuple[_Item, Future[_Result]]]()

    def check() -> None:
        if ended.is_set():
            raise _EndedError

    pool = ThreadPoolExecutor(count)
    try:
        with progress_bar(desc=desc, total=len(items), unit="shard", progress=progress) as bar:
            left = iter(items)
            for item in left:
                waiting.append((item, pool.submit(work, item, check)))
                if len(waiting) >= count:
                    yield _finished(waiting)
                    bar.update()
            while waiting:
                yield _finished(waiting)
                bar.update()
    finally:
        ended.set()
        pool.shutdown(cancel_futures=True)


def _finished(waiting: "deque[tuple[_Item, Future[_Result]]]") -> "tuple[_Item, Future[_Result]]":
    item, future = waiting.popleft()
    future.exception()
    return item, future
