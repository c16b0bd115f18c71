"""A file of bounded size for what was fetched, so that it is fetched once."""

import contextlib
import tempfile
import threading
import weakref
from pathlib import Path
from typing import BinaryIO


class Spool:
    """Keeps objects in an unnamed temporary file, which disappears with the process, however that ends.

    What does not fit any more is not kept: in a training every object is read once per epoch, so the first ones are as good as any.

    Args:
        folder: Folder of the file; it is made at the first object.
        at_most: Bytes of the file at most; 0: nothing is kept.
    """

    def __init__(self, folder: Path, at_most: int) -> None:
        self._folder, self._at_most = folder, at_most
        self._pieces: dict[int, tuple[int, int]] = {}
        self._end = 0
        self._file: BinaryIO | None = None
        self._lock = threading.Lock()

    def __contains__(self, number: int) -> bool:
        return number in self._pieces

    def put(self, number: int, data: bytes) -> None:
        """Keep the bytes of an object, if they fit."""
        with self._lock, contextlib.suppress(OSError):  # a full disk: what is in the file stays readable
            if number in self._pieces or self._end + len(data) > self._at_most:
                return
            if self._file is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 see below
                weakref.finalize(self, self._file.close)
            self._file.seek(self._end)
            if self._file.write(data) == len(data):
                self._pieces[number] = (self._end, len(data))
                self._end += len(data)
            else:
                self._at_most = self._end

    def get(self, number: int) -> bytes | None:
        """The bytes of an object; None if they are not kept."""
        with self._lock:
            if self._file is None or number not in self._pieces:
                return None
            start, size = self._pieces[number]
            self._file.seek(start)
            data = self._file.read(size)
        return data if len(data) == size else None
