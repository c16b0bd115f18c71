"""Random access to the images of a file that can only be read sequentially."""

import errno
import mmap
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path


class Spool:
    """Copies all images into an unnamed temporary file at the first read.

    Stage one reads in the order of the keys; reading the source from its start for every image would take time that grows
    with the square of their number. The temporary file disappears with the process, however that ends.

    Args:
        contents: Returns an iterator over position and encoded bytes of each image, in any order.
        folder: Folder of the temporary file; it is made.
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
            OSError: The source has no bytes at this position, or copying failed before it.
        """
        with self._lock:
            if self._data is None:
                self._data = self._copy()
        if position not in self._pieces:
            raise self._error
        start, end = self._pieces[position]
        return self._data[start:end]

    def _copy(self) -> mmap.mmap:
        self._folder.mkdir(parents=True, exist_ok=True)
        # Unbuffered, so that a full disk raises at the image that does not fit, and all images before it are readable.
        with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
            end = file.write(b"\0")  # an empty file cannot be memory-mapped
            try:
                for position, content in self._contents():
                    if file.write(content) < len(content):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301
                    start, end = end, end + len(content)
                    self._pieces[position] = (start, end)
            except OSError as error:
                self._error = error  # earlier images stay readable; the rest is not tried again
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
