"""Images of a file that can only be read from front to back, made readable in any order."""

import errno
import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path


class Spool:
    """Lays all images one behind the other into a file without a name when the first of them is asked for.

    Stage one reads in the order of the keys, and going to the front again for each image would take time that grows
    with the square of their number. The file is gone when the process is, whatever ends it.

    Args:
        contents: Gives position and encoded bytes of each image, in any order.
        folder: Where the nameless file is; it is made.
    """

    def __init__(self, contents: Callable[[], Iterator[tuple[int, bytes]]], folder: Path) -> None:
        self._contents = contents
        self._folder = folder
        self._lock = threading.Lock()
        self._pieces: dict[int, tuple[int, int]] = {}
        self._data: mmap.mmap | None = None
        self._error = OSError("no bytes in the data set")

    def read(self, position: int) -> bytes:
        """The encoded bytes of one image.

        Raises:
            OSError: There are none at this position, or what went wrong before its turn came.
        """
        with self._lock:
            if self._data is None:
                self._data = self._lay_out()
        if position not in self._pieces:
            raise self._error
        start, end = self._pieces[position]
        return self._data[start:end]

    def _lay_out(self) -> mmap.mmap:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what has been written is there, and a full disk is met at the image that it has no place for.
        with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
            end = file.write(b"\0")  # an empty file cannot be mapped
            try:
                for position, content in self._contents():
                    if file.write(content) < len(content):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301
                    start, end = end, end + len(content)
                    self._pieces[position] = (start, end)
            except OSError as error:
                self._error = error  # what came before can be read, and the rest is not tried again
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
