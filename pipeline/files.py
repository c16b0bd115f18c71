"""Files and folders that are complete or absent: the one atomic writer of the project, and its collector of debris.

What is being written has a hidden name, `.HOST-PROCESS-TOKEN-NAME`. A name whose process has ended on this host is debris.
"""

import contextlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """A path to write a file or a folder to; when the body ends, it replaces what had the given name.

    Concurrent readers see the old file until then. If the body raises, nothing is left.

    Args:
        path: The final name; its folder is made.
        sync: Write the file to the disk before it takes its name, and the name before this returns. For files only.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _taking_name(name_beside(path), path, sync=sync) as beside:
        yield beside


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file of a store: complete and on the disk whenever its name exists.

    Its hidden name ends with `.tmp`, so that a listing by ending does not show it. The folder's debris is not collected here,
    since a store has many files: call `remove_debris` when it is opened.

    Raises:
        OSError: The disk is full or refuses the data; nothing is left.
    """
    with _taking_name(_hidden_name(path, ".tmp"), path, sync=True) as beside, beside.open("xb") as file:
        file.write(data)


def write_json(path: Path, content: Mapping[str, Any] | list[Any], *, sync: bool = False) -> None:
    """Write indented JSON; the file is complete whenever its name exists.

    Raises:
        TypeError, ValueError: The content has no JSON form; the old file stays.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path, sync=sync) as beside:
        beside.write_text(text, encoding="utf-8")


def name_beside(path: Path) -> Path:
    """A new hidden name in the same folder, with the same ending. Debris of the same final name is removed."""
    remove_debris(path.parent, path.name)
    return _hidden_name(path)


def put(made: Path, path: Path) -> None:
    """Rename a file or a folder, and replace what has the new name; a folder that is replaced is moved aside, then removed."""
    if not (made.is_dir() and path.is_dir() and any(path.iterdir())):
        made.replace(path)
        return
    older = name_beside(path.with_name(f"older-{path.name}"))
    path.replace(older)
    made.replace(path)
    remove(older)


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content; a path that does not exist is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_debris(folder: Path, name: str | None = None) -> None:
    """Remove what processes of this host that have ended left unfinished in a folder. Symbolic links are left alone.

    Args:
        folder: Where to look; a folder that cannot be listed has nothing to remove.
        name: The final name that was being written; None: any, for folders that hold only the project's own files.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            process = _writer(entry.name, name)
            if process is not None and not entry.is_symlink() and not is_alive(process):
                remove(Path(entry.path))


def _hidden_name(path: Path, ending: str = "") -> Path:
    return path.with_name(f"{_prefix()}{os.getpid()}-{secrets.token_hex(4)}-{path.name}{ending}")


def _prefix() -> str:
    return f".{socket.gethostname()}-"


def _writer(hidden: str, name: str | None) -> int | None:
    """Number of the process that a hidden name of this host belongs to; None for other names."""
    if not hidden.startswith(_prefix()):
        return None
    process, _, rest = hidden.removeprefix(_prefix()).partition("-")
    is_wanted = name is None or rest.partition("-")[2] == name
    return int(process) if is_wanted and process.isdecimal() and process.isascii() else None


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
def _taking_name(beside: Path, path: Path, *, sync: bool) -> Iterator[Path]:
    """Rename the first path to the second when the body ends; remove it when the body raises."""
    try:
        yield beside
        if sync:
            _sync_file(beside)
        put(beside, path)
    finally:
        remove(beside)
    if sync:
        _sync_folder(path.parent)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:  # Windows syncs only what is open for writing
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
