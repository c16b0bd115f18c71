"""Operations on the disk: write all bytes, sync what was written, exchange two names in one step."""

import ctypes
import errno
import os
from functools import cache
from pathlib import Path
from typing import Any

# From linux/fcntl.h and linux/fs.h.
_HERE, _EXCHANGE = -100, 2

# What is answered where the kernel or the file system cannot exchange names.
_UNABLE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes; the system may take fewer at a time."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def sync_file(path: Path) -> None:
    """Return when the content of a file is on the disk."""
    with path.open("rb+") as file:  # Windows syncs only what is open for writing
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Return when the names in a folder are on the disk."""
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two files or folders, so that at every moment each of them has one of the two.

    Returns:
        False if this system cannot; then nothing was changed.

    Raises:
        OSError: One of them does not exist, or the disk refuses.
    """
    rename = _rename_function()
    if rename is None:
        return False
    if rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _UNABLE:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


@cache
def _rename_function() -> Any:
    """The function of the C library; None where there is none, as on macOS and Windows."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):  # Windows has no library without a name
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function
