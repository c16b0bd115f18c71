"""The cache's own files and folders: nothing of a cache is reached through a symbolic link.

A cache may come from elsewhere. A link in it can lead to files of the user's, which would then be moved, deleted or written as
if they were the cache's. The cache folder itself is named by the user, and may be a link.
"""

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import DamagedStoreError, ForeignEntryError, PipelineError, UnreadableStoreError

# What h5py and parsers raise on content that is damaged; RecursionError, for one, is a RuntimeError.
_DAMAGE = (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError)

# Windows has neither; O_NONBLOCK lets a pipe be opened without a writer, so that it can be refused.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)


def check_no_links(*paths: Path) -> None:
    """Refuse paths that are symbolic links; what does not exist is fine.

    Raises:
        ForeignEntryError: One of them is a link; the message names it.
    """
    for path in paths:
        if path.is_symlink():
            raise ForeignEntryError(
                f"{path} is a symbolic link, and a cache holds files and folders of its own only. Nothing was moved, deleted "
                "or written. Remove the link, or put what it leads to in its place."
            )


def check_store_folder(folder: Path) -> None:
    """Refuse a store whose folder, or a folder or file of fixed name in it, is a symbolic link.

    Raises:
        ForeignEntryError: One of them is.
    """
    check_no_links(folder, *(folder / name for name in ("shards", "quarantine", "recipe.json", ".lock")))


def check_tree(folder: Path) -> None:
    """Refuse a folder that is a symbolic link or has one anywhere below it.

    Raises:
        ForeignEntryError: There is one.
    """
    check_no_links(folder)
    for root, folders, files in os.walk(folder):
        check_no_links(*(Path(root, name) for name in (*folders, *files)))


def is_gone(path: Path) -> bool:
    """Whether there is surely nothing of this name: an answer that is refused is no absence."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def list_folder(folder: Path, ending: str = "") -> list[Path]:
    """What a folder holds with this ending, by name; nothing where there is no such folder.

    `Path.glob` would show a folder that cannot be read as an empty one, and all of its rows would be computed again.

    Raises:
        UnreadableStoreError: The folder is there and cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if entry.name.endswith(ending))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


class OwnFile(io.FileIO):
    """A file that h5py reads through Python, and that keeps the machine's error: HDF5 may answer with another one."""

    failure: OSError | None = None

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, as far as the file goes."""
        try:
            count = part = super().readinto(buffer)
            while part and count < len(buffer):  # a server may give less than there is
                count += (part := super().readinto(memoryview(buffer)[count:]))
        except OSError as error:
            self.failure = error
            raise
        return count


@contextlib.contextmanager
def reading(path: Path) -> Iterator[OwnFile]:
    """A regular file of the cache, open to be read; what its content makes the body raise is damage.

    Only bytes that were read and do not fit are damage. Whatever the machine refuses (a permission, one more open file, memory,
    a disk or a server that does not answer) says nothing of the bytes.

    Raises:
        ForeignEntryError: The path is a symbolic link, or no regular file.
        UnreadableStoreError: It is not there, or the machine does not give its bytes.
        DamagedStoreError: The body found its bytes to be wrong.
    """
    check_no_links(path)  # before it is opened, for the message, and where O_NOFOLLOW is not known
    try:
        file = OwnFile(path, opener=lambda name, _: os.open(name, _FLAGS | _BINARY))
    except IsADirectoryError:
        raise _not_regular(path) from None
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise _not_regular(path)
        try:
            yield file
        except PipelineError:
            raise
        except MemoryError as error:
            raise UnreadableStoreError(f"{path} cannot be read: memory ran out. Nothing was moved.") from error
        except _DAMAGE as error:
            failure = file.failure or error
            # What h5py raises on content has no errno.
            if isinstance(failure, OSError) and failure.errno is not None:
                raise _unreadable(path, failure) from error
            raise DamagedStoreError(f"{path} cannot be read: {error}") from error


def _not_regular(path: Path) -> ForeignEntryError:
    return ForeignEntryError(f"{path} is not a regular file. It was left as it is; remove it.")


def _unreadable(path: Path, error: OSError) -> UnreadableStoreError:
    return UnreadableStoreError(
        f"{path} cannot be read: {error.strerror or error}. Nothing was moved, since this says nothing of the bytes; "
        "run the command again when the cause is gone."
    )
