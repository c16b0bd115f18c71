"""Files and folders that are there whole or not at all."""

import contextlib
import glob
import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """A path beside the given one to write a file or a folder to, which takes the given name when the body is through.

    Who reads meanwhile sees the old file. When the body raises, nothing is left.

    Args:
        path: The name it will have; its folder is made.
        sync: Have it on the disk before it takes the name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = name_beside(path)
    try:
        yield beside
        if sync:
            with beside.open("rb") as file:
                os.fsync(file.fileno())
        put(beside, path)
    finally:
        remove(beside)


def put(made: Path, path: Path) -> None:
    """Give a file or a folder its name, in the place of what had it; a folder that gives way is moved aside, then removed."""
    if not (made.is_dir() and path.is_dir() and any(path.iterdir())):
        made.replace(path)
        return
    older = name_beside(path.with_name(f"older-{path.name}"))
    path.replace(older)
    made.replace(path)
    remove(older)


def name_beside(path: Path) -> Path:
    """A hidden name in the same folder, with the same ending, for this thread alone.

    What processes of this machine that are gone left under such a name is removed.
    """
    prefix = f".{socket.gethostname()}-"
    for debris in path.parent.glob(f"{glob.escape(prefix)}*-{glob.escape(path.name)}"):
        process = debris.name.removeprefix(prefix).split("-")[0]
        if process.isdigit() and not is_alive(int(process)):
            remove(debris)
    return path.with_name(f"{prefix}{os.getpid()}-{threading.get_native_id()}-{path.name}")


def remove(path: Path) -> None:
    """A file or a folder with all that is in it; gone already is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_alive(process: int) -> bool:
    """Whether a process of this machine is still there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_json(path: Path, content: Mapping[str, Any] | list[Any], *, sync: bool = False) -> None:
    """Readable JSON, whole or not at all."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with replacing(path, sync=sync) as beside:
        beside.write_text(text, encoding="utf-8")
