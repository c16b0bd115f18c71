"""Names of runs: which are valid, which are free, and which may be replaced."""

import os
import re
from pathlib import Path
from typing import Any

from pipeline.errors import SettingError

_RUN_TABLES = ("predictions.csv", "history.csv", "folds.csv", "groups.csv")
"""Tables of a run that a user could take for the place of others."""

_MAX_NAME_BYTES = 180
"""File systems allow 255; a folder that is being written also has the names of host and process in front of its own."""


def check_run_name(name: str | None, runs: Path, *, replace: bool = False) -> None:
    """Check that a run can have this name, before any work is done for it. None is always valid: a name is made up.

    Args:
        name: Name of a new run.
        runs: Folder of the runs.
        replace: A run of this name will be replaced.

    Raises:
        SettingError: It is not a valid name of one folder, the folder exists and is not a run, it is a run that would be replaced
            without `replace`, or nothing can be written to the folder of the runs.
    """
    check_target(runs / "run", "--runs")
    if name is None:
        if replace:
            raise SettingError("--replace replaces the run that --name names. Received: --replace without --name.")
        return
    check_form(name)
    if not (runs / name).exists():
        return
    if not (runs / name / "run.json").is_file():
        raise SettingError(f"{runs / name} exists and is not a run. Choose another --name.")
    if not replace:
        raise SettingError(
            f"The run {name!r} already exists in {runs}. Choose another --name, or replace it with --replace (in Python replace=True)."
        )


def check_form(name: str) -> None:
    """Check that a name is one of a folder.

    Raises:
        SettingError: It is not.
    """
    is_plain = bool(name) and Path(name).name == name and not name.startswith(".") and name.isprintable()
    if not is_plain or len(name.encode()) > _MAX_NAME_BYTES:
        raise SettingError(
            f"A run's name is one folder name of at most {_MAX_NAME_BYTES} bytes, without a dot at its start. "
            f"Received: {name!r}."
        )


def check_target(path: Path, option: str) -> None:
    """Check that a file or folder can be written, before any work is done for it. Nothing is made.

    Args:
        path: What will be written.
        option: What names it, for the message.

    Raises:
        SettingError: Its folder is not a folder, cannot be written to, or is on a disk that is full.
    """
    folder = path.absolute().parent
    while not folder.exists() and folder != folder.parent:  # it will be made
        folder = folder.parent
    problem = None
    if not folder.is_dir():
        problem = "is not a folder"
    elif not os.access(folder, os.W_OK | os.X_OK):
        problem = "cannot be written to"
    elif hasattr(os, "statvfs") and os.statvfs(folder).f_bavail == 0:
        problem = "is on a disk that is full"
    if problem:
        raise SettingError(f"{folder} {problem}, so {path.name} cannot be written there. Choose another {option}.")


def check_spares(path: Path, option: str, read: object = ()) -> None:
    """Check that a file which will be replaced is not needed: that the command does not read it, and that it is no table of a run.

    Args:
        path: What will be written.
        option: What names it, for the message.
        read: What the command reads: a path, or a list in which there are some.

    Raises:
        SettingError: It is.
    """
    needed = None
    if (path.parent / "run.json").is_file() and path.name in _RUN_TABLES:
        needed = f"the run {path.parent.name}, which needs its own"
    elif path.is_file() and any(_is_same(path, one) for one in (read if isinstance(read, list | tuple) else [read])):
        needed = "what this command reads"
    if needed:
        raise SettingError(f"{path} is a file of {needed}, so it is not replaced. Choose another {option}.")


def _is_same(path: Path, other: Any) -> bool:
    try:
        return isinstance(other, str | os.PathLike) and path.samefile(other)
    except (OSError, ValueError):
        return False


def plain_name(text: str) -> str:
    """The text as the beginning of a name: one folder name of letters, digits, `_`, `.` and `-`."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-.")[:80] or "run"


def numbered(stem: str, number: int) -> str:
    """`stem-001` and so on."""
    return f"{stem}-{number:03d}"


def free_name(stem: str, runs: Path) -> str:
    """The stem itself, or the stem with the first number from 2 on of which there is no folder."""
    names = (stem if number == 1 else numbered(stem, number) for number in range(1, 1_000_000))
    return next(name for name in names if not (runs / name).exists())
