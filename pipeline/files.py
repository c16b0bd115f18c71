"""Files and folders that are complete or absent: the one atomic writer of the project, and its collector of debris.

What is being written has a hidden name, `.HOST-PROCESS-TOKEN-NAME`, and a lock that the system releases when its process ends,
however it ends. A hidden name without a lock is debris. Process numbers are not used for this: in two containers they differ for
the same process and are equal for different ones.
"""

import contextlib
import errno
import json
import os
import re
import secrets
import shutil
import socket
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.disk import exchange, sync_file, sync_folder, write_all

if sys.platform != "win32":
    import fcntl

# The first letter of a token: a file that is locked itself, and a file or folder beside a lock of its own. Names of versions before
# 0.3.0 have neither; whether their process is alive is asked by its number.
_LOCKED, _GUARDED, _GUARD = "f", "x", "l"
_TRIES = 100
_LONGEST_NAME = 100  # bytes; with host, process and token a hidden name stays below the 255 that file systems allow

# Windows has no O_NOFOLLOW, O_NONBLOCK and O_CLOEXEC, and only Windows has O_BINARY.
_FLAGS = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))

_guards: dict[Path, int] = {}
"""Descriptors of the locks of hidden names that are in use by this process."""


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """A path to write a file or a folder to; when the body ends, it replaces what had the given name.

    Concurrent readers see the old file until then. If the body raises, nothing is left. Errors of the disk name the path.

    Args:
        path: The final name; its folder is made.
        sync: Write the file to the disk before it takes its name, and the name before this returns. For files only.
    """
    with naming_errors(path):
        beside = name_beside(path)
        try:
            yield beside
            if sync:
                sync_file(beside)
            put(beside, path)
        finally:
            remove(beside)
        if sync:
            sync_folder(path.parent)


def write_bytes(path: Path, data: bytes, *, check: Callable[[], object] | None = None) -> None:
    """Write a file of a store: complete and on the disk whenever its name exists.

    Its hidden name ends with `.tmp`, so that a listing by ending does not show it. The folder's debris is not collected here,
    since a store has many files: call `remove_debris` when it is opened.

    Args:
        path: The final name.
        data: The bytes.
        check: Called when they are on the disk and have no name yet; if it raises, nothing is left.

    Raises:
        OSError: The disk is full or refuses the data; the error names the path, and nothing is left.
    """
    with naming_errors(path):
        descriptor, beside = _new_locked(path, _LOCKED, ".tmp")
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
            if check is not None:
                check()
            if os.name == "nt":  # there a file that is open cannot be renamed
                descriptor = _close(descriptor)
            put(beside, path)
        finally:
            remove(beside)
            _close(descriptor)
        sync_folder(path.parent)


def write_json(path: Path, content: Mapping[str, Any] | list[Any], *, sync: bool = False) -> None:
    """Write indented JSON; the file is complete whenever its name exists.

    Raises:
        TypeError, ValueError: The content has no JSON form; the old file stays.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a path that is not Unicode; as an escape it can be read back
        data = json.dumps(content, indent=2, allow_nan=False).encode()
    with replacing(path, sync=sync) as beside:
        beside.write_bytes(data + b"\n")


def read_regular(path: Path, at_most: int, *, follow_links: bool = False) -> bytes:
    """The bytes of a regular file. A pipe, a device, a link and a file that is too large are errors, and none of them is waited for.

    Args:
        path: The file.
        at_most: Largest size in bytes.
        follow_links: A link to a regular file stands for it.

    Raises:
        FileNotFoundError: It does not exist.
        OSError: It is not a regular file, it is larger, or it cannot be read.
    """
    with naming_errors(path), open_regular(path, at_most, follow_links=follow_links) as file:
        data = file.read(at_most + 1)
    if len(data) > at_most:  # it grew
        raise _too_large(path, at_most)
    return data


def open_regular(path: Path, at_most: int, *, follow_links: bool = False) -> BinaryIO:
    """A regular file, open for reading; arguments and errors are those of `read_regular`."""
    check_regular(path, follow_links=follow_links)  # before opening: to open a device can have effects
    flags = _FLAGS & ~getattr(os, "O_NOFOLLOW", 0) if follow_links else _FLAGS
    file = os.fdopen(os.open(path, os.O_RDONLY | flags), "rb")
    found = os.fstat(file.fileno())
    if stat.S_ISREG(found.st_mode) and found.st_size <= at_most:
        return file
    file.close()
    raise _too_large(path, at_most) if stat.S_ISREG(found.st_mode) else _not_regular(path)


def read_json(path: Path, at_most: int, *, follow_links: bool = False) -> Any:
    """The content of a JSON file, read as by `read_regular`.

    Raises:
        OSError: As there.
        ValueError: It is not JSON in UTF-8, or it is nested too deeply.
    """
    return parse_json(read_regular(path, at_most, follow_links=follow_links))


def parse_json(text: str | bytes, make: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    """The value of a JSON text. `make` makes an object of its names and values; None: a dict.

    Raises:
        ValueError: It is not JSON, or it is nested too deeply.
    """
    try:
        return json.loads(text, object_pairs_hook=make)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def check_regular(path: Path, *, follow_links: bool = False) -> None:
    """Check that a path is a file, and not a folder, a pipe or a device, nor, without `follow_links`, a link.

    Raises:
        FileNotFoundError: It does not exist.
        OSError: It is something else.
    """
    if not stat.S_ISREG(path.stat(follow_symlinks=follow_links).st_mode):
        raise _not_regular(path)


def _not_regular(path: Path) -> OSError:
    return OSError(errno.EINVAL, "Not a regular file", str(path))


def _too_large(path: Path, at_most: int) -> OSError:
    return OSError(errno.EFBIG, f"Larger than {at_most:,} bytes", str(path))


def name_beside(path: Path) -> Path:
    """A new hidden name in the same folder, with the same ending. Debris of the same final name is removed.

    The name is marked as in use until it is given to `put` or `remove`, or this process ends. The folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_debris(path.parent, path.name)
    descriptor, guard = _new_locked(path, _GUARD)
    hidden = _Hidden.parse(guard.name)
    beside = guard.with_name(hidden.with_mark(_GUARDED)) if hidden else guard
    _guards[beside] = descriptor
    return beside


def put(made: Path, path: Path) -> None:
    """Rename a file or a folder, and replace what has the new name; a folder that is replaced is removed then."""
    for tried in range(_TRIES):  # other processes may put a folder there at the same time; the last one stays
        try:
            made.replace(path)
        except OSError as error:
            is_taken = error.errno in (errno.ENOTEMPTY, errno.EEXIST) and made.is_dir() and not path.is_file()
            if not is_taken or tried == _TRIES - 1:
                raise
            if not _replace_folder(made, path):
                continue
        break
    _release(made)


def _replace_folder(made: Path, path: Path) -> bool:
    """Give a folder's name to the new one, and remove the old one; False if another process was faster.

    Where names cannot be exchanged, the old folder is moved aside first. Only then can a kill leave the name without a folder.
    """
    with contextlib.suppress(FileNotFoundError):
        if exchange(made, path):
            remove(made)  # the old folder has this name now
            return True
    older = name_beside(path.with_name(f"older-{path.name}"))
    try:
        path.replace(older)
    except FileNotFoundError:
        _release(older)
        return False
    try:
        made.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            remove(older)
            return False
        older.replace(path)
        _release(older)
        raise
    remove(older)
    return True


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content; a path that does not exist is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(NotADirectoryError):
            path.unlink(missing_ok=True)
    _release(path)


def remove_debris(folder: Path, name: str | None = None) -> None:
    """Remove what processes of this host that have ended left unfinished in a folder. Symbolic links are left alone.

    Args:
        folder: Where to look; a folder that cannot be listed has nothing to remove.
        name: The final name that was being written; None: any, for folders that hold only the project's own files.
    """
    wanted = None if name is None else (name, _short(name))
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            hidden = _Hidden.parse(entry.name)
            if hidden is not None and (wanted is None or hidden.name in wanted) and not entry.is_symlink():
                with contextlib.suppress(OSError):
                    _remove_if_left(Path(entry.path), hidden)


@dataclass(frozen=True)
class _Hidden:
    """The parts of a hidden name of this host."""

    process: int
    token: str
    name: str
    """The final name; shortened if it is long."""

    @classmethod
    def parse(cls, hidden: str) -> "_Hidden | None":
        """The parts; None for other names."""
        if not hidden.startswith(_prefix()):
            return None
        process, _, rest = hidden.removeprefix(_prefix()).partition("-")
        if not (process.isdecimal() and process.isascii() and len(process) < 20):
            return None
        token, _, name = rest.partition("-")
        return cls(int(process), token, name)

    @property
    def mark(self) -> str:
        """`_LOCKED`, `_GUARDED` or `_GUARD`; empty for a name of an older version."""
        return self.token[0] if re.fullmatch(f"[{_LOCKED}{_GUARDED}{_GUARD}][0-9a-f]{{12}}", self.token) else ""

    def with_mark(self, mark: str) -> str:
        """The name that belongs to this one and has another mark."""
        return f"{_prefix()}{self.process}-{mark}{self.token[1:]}-{self.name}"


def _remove_if_left(path: Path, hidden: _Hidden) -> None:
    """Remove a hidden file or folder, and its lock, unless a process uses it."""
    guard = path if hidden.mark == _LOCKED else path.with_name(hidden.with_mark(_GUARD))
    if not hidden.mark or not os.path.lexists(guard):
        if not is_alive(hidden.process):
            remove(path)
        return
    descriptor = _lock_unused(guard)
    if descriptor is None:
        return
    try:
        if hidden.mark != _LOCKED:
            remove(path.with_name(hidden.with_mark(_GUARDED)))
        remove(guard)
    finally:
        os.close(descriptor)


def _new_locked(path: Path, mark: str, ending: str = "") -> tuple[int, Path]:
    """A new hidden file that is open and locked: its descriptor and path."""
    for tried in range(_TRIES):
        name = f"{_prefix()}{os.getpid()}-{mark}{secrets.token_hex(6)}-{_short(path.name)}{ending}"
        hidden = path.with_name(name)
        descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o666)
        # Between the two calls another process may have taken the file for debris.
        if (_lock(descriptor) and os.fstat(descriptor).st_nlink) or tried == _TRIES - 1:
            return descriptor, hidden
        os.close(descriptor)
        remove(hidden)
    raise AssertionError


def _lock_unused(path: Path) -> int | None:
    """A descriptor with the file's lock; None if a process holds the lock, or the file cannot be locked."""
    check_regular(path)
    descriptor = os.open(path, os.O_RDWR | _FLAGS)
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    os.close(descriptor)
    return None


def _lock(descriptor: int) -> bool:
    """Lock a new file; False if another process holds it. On a file system without locks it is always False, and debris stays."""
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


def _release(path: Path) -> None:
    """End the use of a hidden name: remove its lock."""
    descriptor = _guards.pop(path, None)
    hidden = _Hidden.parse(path.name) if descriptor is not None else None
    if descriptor is not None and hidden is not None:
        with contextlib.suppress(OSError):
            path.with_name(hidden.with_mark(_GUARD)).unlink()
        os.close(descriptor)


def _close(descriptor: int) -> int:
    """Close a descriptor that is not closed yet; what stands for a closed one."""
    if descriptor >= 0:
        os.close(descriptor)
    return -1


def _short(name: str) -> str:
    """The end of a name, short enough for a hidden name to contain it."""
    return os.fsencode(name)[-_LONGEST_NAME:].decode(errors="ignore")


def _prefix() -> str:
    return f".{socket.gethostname()}-"


def is_alive(process: int) -> bool:
    """Whether a process of this host is running."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def naming_errors(path: Path) -> Iterator[None]:
    """Give an error of the disk the final name; the system names no file when a disk is full."""
    try:
        yield
    except OSError as error:
        name = os.path.basename(error.filename) if isinstance(error.filename, str) else ""  # noqa: PTH119 a text
        is_named = error.filename is not None and not name.startswith(_prefix())
        if error.errno is None or is_named or isinstance(error, ConnectionError | ChildProcessError):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
