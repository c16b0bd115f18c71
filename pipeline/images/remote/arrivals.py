"""Objects that are being fetched, in the order in which they arrive, for a reader that works on them meanwhile."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event

_PAUSE_SECONDS = 0.2
_KNOWN_SECONDS, _BUSY = 0.5, 0.7
"""After this time, fetching counts as busy if it had the processor for this share of it."""

_MOST = 32
"""Objects that are given at a time."""


@dataclass(frozen=True)
class Arrival:
    """An object that was fetched."""

    number: int
    digest: bytes
    """SHA-256 of its bytes, 32 bytes."""


@dataclass
class Arrivals:
    """Yields the objects that have arrived since, and an empty list whenever none has for a while. Another iteration goes on where one stopped."""

    total: int
    """Number of objects that are being fetched; those that fail do not arrive."""

    known: Sequence[bytes]
    """Digests of the other objects of the data set, which need not be fetched."""

    read: Callable[[int], bytes]
    """The bytes of an object, by its number, as `pipeline.images.manifest.ImageBytes.read` gives them."""

    drop: Callable[[int], None]
    """Says that an object will not be read."""

    is_busy: bool = True
    """Whether fetching keeps a core busy, as quick servers of small objects do, and there is room for what comes: other work would only
    slow it down. True until that is known."""

    _begun: tuple[float, float] | None = None
    """When the first object was put, in seconds, and of this thread's time on the processor."""

    _queue: SimpleQueue[Arrival | None] = field(default_factory=SimpleQueue)
    _is_over: Event = field(default_factory=Event)

    def __iter__(self) -> Iterator[list[Arrival]]:
        while not self._is_over.is_set():
            found: list[Arrival] = []
            with contextlib.suppress(Empty):
                self._add(found, self._queue.get(timeout=_PAUSE_SECONDS))
                while not self._is_over.is_set() and len(found) < _MOST:
                    self._add(found, self._queue.get_nowait())
            if found or not self._is_over.is_set():
                yield found

    def _add(self, found: list[Arrival], arrival: Arrival | None) -> None:
        if arrival is None:
            self._is_over.set()
        else:
            found.append(arrival)

    def put(self, arrival: Arrival, *, is_kept: bool = True) -> None:
        """Hand an object over.

        Args:
            arrival: The object.
            is_kept: It is in the spool; otherwise it waits in memory.
        """
        now, on_processor = time.monotonic(), time.thread_time()
        begun, on_processor_then = self._begun = self._begun or (now, on_processor)
        if now - begun >= _KNOWN_SECONDS or not is_kept:
            self.is_busy = is_kept and on_processor - on_processor_then > _BUSY * (now - begun)
        self._queue.put(arrival)

    def end(self) -> None:
        """Say that no more objects come."""
        self._queue.put(None)

    def is_over(self) -> bool:
        """Whether nobody takes objects any more."""
        return self._is_over.is_set()

    def close(self) -> None:
        """Take no more objects; those that were not taken are dropped."""
        self._is_over.set()
        while not self._queue.empty():
            arrival = self._queue.get()
            if arrival is not None:
                self.drop(arrival.number)


WhileFetching = Callable[[Arrivals], None]
"""Takes the objects that it wants, in the thread of the caller. When it returns, fetching goes on without it."""
