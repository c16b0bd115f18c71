"""A file that HDF5 writes through Python. HDF5 never sees a write fail.

HDF5 1.14 ends the process with a segmentation fault when the disk is full while it closes a file. So failures are
hidden from it: what cannot be written is kept in memory until the file is closed, and the error is raised then.
"""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Sink(io.FileIO):
    """A new file. After the first failure, nothing more is written to the disk."""

    failure: OSError | None = None
    """The first error of the disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w+")
        self._refused: list[tuple[int, bytes]] = []
        self._position = 0

    def check(self) -> None:
        """Raise the error of the disk, if there was one."""
        if self.failure is not None:
            raise self.failure

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to an offset."""
        if whence == io.SEEK_SET:
            self._position = offset
        else:
            ends = [start + len(data) for start, data in self._refused]
            self._position = max([super().seek(0, io.SEEK_END), *ends]) + offset
        return self._position

    def tell(self) -> int:
        """The current offset."""
        return self._position

    def write(self, data: Any) -> int:
        """Write all bytes; what the disk refuses is kept."""
        given = bytes(data)
        try:
            self.check()
            super().seek(self._position)
            left = memoryview(given)
            while left:
                left = left[super().write(left) or 0 :]
        except OSError as error:
            self.failure = self.failure or error
            self._refused.append((self._position, given))
        self._position += len(given)
        return len(given)

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what was written, refused or not."""
        view = memoryview(buffer).cast("B")
        count = 0
        with contextlib.suppress(OSError):
            super().seek(self._position)
            count = super().readinto(view) or 0
        for start, data in self._refused:
            low, high = max(start, self._position), min(start + len(data), self._position + len(view))
            if low < high:
                view[low - self._position : high - self._position] = data[low - start : high - start]
                count = max(count, high - self._position)
        self._position += count
        return count

    def truncate(self, size: int | None = None) -> int:
        """Set the size."""
        wanted = self._position if size is None else size
        try:
            self.check()
            super().truncate(wanted)
        except OSError as error:
            self.failure = self.failure or error
        return wanted

    def flush(self) -> None:
        """Nothing is buffered here."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Sink]:
    """A new file for HDF5; the error of the disk is raised when it is closed.

    Raises:
        OSError: The disk is full or fails.
    """
    with Sink(path) as sink:
        try:
            yield sink
        finally:
            sink.check()
