"""Objects that are being fetched, in the order in which they arrive, for a reader that works on them meanwhile."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event

_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Arrival:
    """An object that was fetched."""

    number: int
    digest: bytes
    """SHA-256 of its bytes, 32 bytes."""


@dataclass
class Arrivals:
    """Yields objects as they arrive, and None whenever none has arrived for a while. A second iteration goes on where the first stopped."""

    total: int
    """Number of objects that are being fetched; those that fail do not arrive."""

    known: Sequence[bytes]
    """Digests of the other objects of the data set, which need not be fetched."""

    read: Callable[[int], bytes]
    """The bytes of an object, by its number, as `pipeline.images.manifest.ImageBytes.read` gives them."""

    drop: Callable[[int], None]
    """Says that an object will not be read."""

    _queue: SimpleQueue[Arrival | None] = field(default_factory=SimpleQueue)
    _is_over: Event = field(default_factory=Event)

    def __iter__(self) -> Iterator[Arrival | None]:
        while not self._is_over.is_set():
            try:
                arrival = self._queue.get(timeout=_PAUSE_SECONDS)
            except Empty:
                yield None
                continue
            if arrival is None:
                self._is_over.set()
            else:
                yield arrival

    def put(self, arrival: Arrival) -> None:
        """Hand an object over."""
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
