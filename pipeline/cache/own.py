"""The cache's own files and folders: nothing in a cache is reached through a symbolic link.

A cache may come from elsewhere. A link in it can point to the user's files, which would then be moved, deleted or overwritten as
parts of the cache. The cache folder itself is named by the user and may be a link.
"""

import contextlib
import errno
import io
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import DamagedStoreError, ForeignEntryError, PipelineError, UnreadableStoreError

# What h5py and parsers raise on damaged content; RecursionError is a RuntimeError.
_DAMAGE = (OSError, LookupError, RuntimeError, ValueError, TypeError, AttributeError, ArithmeticError)

# What the system answers when content makes HDF5 look for bytes at an offset that no file has.
_ABSURD_OFFSETS = (errno.EINVAL, errno.EOVERFLOW)

# Windows has none of the three. With O_NONBLOCK, a pipe without a writer can be opened, and then refused.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)

_FOLDERS = {"shards": ".h5", "quarantine": ".h5", "keys": ".keys"}
"""Folders of a store, and the endings of their files; `keys` is in those that were pushed."""

MAX_BYTES = 2**32
"""The largest shard. Those that are written here have 64 MiB of rows (before 0.3.0: 256), or one batch more."""


def check_no_links(*paths: Path) -> None:
    """Refuse paths that are symbolic links; paths that do not exist are accepted.

    Raises:
        ForeignEntryError: One of them is a link; the message names it.
    """
    for path in paths:
        if path.is_symlink():
            raise ForeignEntryError(
                f"{path} is a symbolic link, and a cache may hold only files and folders of its own. Nothing was moved, deleted "
                "or written. Remove the link, or replace it with what it points to."
            )


def check_store_folder(folder: Path) -> None:
    """Refuse a store whose folder, or a folder or file of fixed name in it, is a symbolic link.

    Raises:
        ForeignEntryError: One of them is.
    """
    check_no_links(folder, *(folder / name for name in ("shards", "quarantine", "recipe.json", "trunk.json", ".lock")))


def check_lock(path: Path) -> None:
    """Refuse a lock file that is not an empty file of its own: to take the lock empties it.

    Raises:
        ForeignEntryError: It is a link or a special file, it has another name (a hard link), or it has content.
    """
    check_no_links(path)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise _not_regular(path)
        if found.st_size or found.st_nlink > 1:
            raise ForeignEntryError(f"{path} is not an empty file of the cache. It was left as it is. Remove it.")


def check_tree(folder: Path) -> None:
    """Refuse a folder that is a symbolic link or has one anywhere below it.

    Raises:
        ForeignEntryError: There is one.
    """
    check_no_links(folder)
    waiting = [os.fspath(folder)]  # a list, because folders can be very deep
    while waiting:
        with (
            contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError),
            os.scandir(waiting.pop()) as entries,
        ):
            for entry in entries:
                check_no_links(Path(entry.path))
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def check_only_own(folder: Path, parts: Sequence[str] = ("recipe.json", "trunk.json", ".lock", *_FOLDERS)) -> None:
    """Refuse to delete a store in which something lies that no store has: it may be the user's.

    Args:
        folder: The store's folder.
        parts: What is to be deleted of it; all: the folder itself.

    Raises:
        ForeignEntryError: The message names what was found.
        UnreadableStoreError: A folder cannot be read.
    """
    check_tree(folder)
    found = [path for path in _entries(folder) if path.name not in parts and len(parts) > 1]
    for name in parts:
        path = folder / name
        is_file = name not in _FOLDERS
        if not is_gone(path) and path.is_dir() == is_file:
            found.append(path)
        elif path.is_dir():
            found += [entry for entry in _entries(path) if entry.suffix != _FOLDERS[name] or not _is_regular(entry)]
    if found:
        raise ForeignEntryError(
            f"{found[0]} is nothing that a store has. Nothing was deleted, since it may be yours. Move it away first."
        )


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, without hidden files, such as those that are being written."""
    hidden = [path for path in list_folder(folder, hidden=True) if path.is_dir()]
    return list_folder(folder) + hidden


def is_gone(path: Path) -> bool:
    """Whether the path certainly does not exist; False if the machine refuses to answer."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def list_folder(folder: Path, ending: str = "", *, hidden: bool = False) -> list[Path]:
    """The entries of a folder with this ending, by name; none if the folder does not exist.

    `Path.glob` shows a folder that cannot be read as an empty one, and all of its rows would be computed again.

    Args:
        folder: The folder.
        ending: How the names end.
        hidden: List names that begin with a dot, those of unfinished files, instead of the others.

    Raises:
        UnreadableStoreError: The folder is there and cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(
                folder / entry.name
                for entry in entries
                if entry.name.endswith(ending) and entry.name.startswith(".") == hidden
            )
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


class OwnFile(io.FileIO):
    """A file that h5py reads through Python. It keeps the system's error, which HDF5 may replace with another one."""

    failure: OSError | None = None

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer, up to the end of the file."""
        try:
            count = part = super().readinto(buffer)
            while part and count < len(buffer):  # a network file system may return less than there is
                count += (part := super().readinto(memoryview(buffer)[count:]))
        except OSError as error:
            self.failure = error
            raise
        return count

    def readall(self) -> bytes:
        """All bytes from here to the end."""
        try:
            return super().readall()
        except OSError as error:
            self.failure = error
            raise

    def close(self) -> None:
        """Close the file; an error here does not matter, since all is read."""
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def reading(path: Path, at_most: int = MAX_BYTES) -> Iterator[OwnFile]:
    """Open a regular file of the cache for reading; errors that its content causes in the body are damage.

    Only bytes that were read and are wrong are damage. If the machine refuses to read (permission, open files, memory, a disk or
    server that does not answer), nothing is known about the bytes.

    Args:
        path: The file.
        at_most: The largest size in bytes that such a file has.

    Raises:
        ForeignEntryError: The path is a symbolic link, or not a regular file.
        UnreadableStoreError: The file does not exist or cannot be read.
        DamagedStoreError: The file is too large, or the body found that the bytes are wrong.
    """
    check_no_links(path)  # before opening: for the message, and for systems without O_NOFOLLOW
    _check_regular(path)  # before opening too: a pipe's writer goes on when it is opened, and a device may do anything
    try:
        file = OwnFile(path, opener=lambda name, _: os.open(name, _FLAGS | _BINARY))
    except IsADirectoryError:
        raise _not_regular(path) from None
    except OSError as error:
        raise _unreadable(path, error) from error
    with file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise _not_regular(path)
        if found.st_size > at_most:
            raise DamagedStoreError(f"{path} has {found.st_size:,} bytes, and at most {at_most:,} are expected.")
        try:
            yield file
        except PipelineError as error:
            # HDF5 may go on after a read that failed, with bytes that nobody has read.
            if file.failure is not None and isinstance(error, DamagedStoreError):
                raise _unreadable(path, file.failure) from error
            raise
        except MemoryError as error:
            raise UnreadableStoreError(f"{path} cannot be read: memory ran out. Nothing was moved.") from error
        except _DAMAGE as error:
            if file.failure is not None:
                raise _unreadable(path, file.failure) from error
            # Errors that h5py raises on content have no errno.
            if isinstance(error, OSError) and error.errno not in (None, *_ABSURD_OFFSETS):
                raise _unreadable(path, error) from error
            raise DamagedStoreError(f"{path} cannot be read: {error}") from error


def _check_regular(path: Path) -> None:
    if not _is_regular(path):
        raise _not_regular(path)


def _is_regular(path: Path) -> bool:
    """Whether the path is a file; True if that cannot be found out, since opening it says why."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return True


def _not_regular(path: Path) -> ForeignEntryError:
    return ForeignEntryError(f"{path} is not a regular file. It was left as it is. Remove it.")


def _unreadable(path: Path, error: OSError) -> UnreadableStoreError:
    return UnreadableStoreError(
        f"{path} cannot be read: {error.strerror or error}. Nothing was moved, since the bytes may be fine. "
        "Run the command again when the cause is gone."
    )
