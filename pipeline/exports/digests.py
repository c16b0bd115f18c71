"""The SHA-256 of exports, and the record of them that each run keeps.

A SavedModel is a program: TensorFlow runs what is in it, and that may read and write files. So a SavedModel is loaded only
if its content is known, from the run that exported it or from the user.
"""

import hashlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import DamagedStoreError, SettingError, UnknownExportError, foreign_file
from pipeline.files import read_json, write_json

logger = logging.getLogger(__name__)

RECORD = "exports.json"
"""In a run's folder: a list of {file, format, sha256}, one entry per export."""

_MAX_BYTES = 2**24
_DIGEST = re.compile("[0-9a-f]{64}")


def digest_export(path: Path) -> str:
    r"""SHA-256 of an exported file, or of all files of an exported folder, as 64 hexadecimal digits.

    A folder's digest is that of the text that `sha256sum` prints for its files, by their names in the folder, in byte order:

        find -type f -printf '%P\n' | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum

    Raises:
        DamagedStoreError: The folder holds something else than files and folders, or a name that `sha256sum` would escape.
    """
    if path.is_file():
        return _digest_file(path)
    with foreign_file(path, "cannot be read"):
        names = sorted(_names(path))
    lines = [b"%s  %s\n" % (_digest_file(path / os.fsdecode(name)).encode(), name) for name in names]
    return hashlib.sha256(b"".join(lines)).hexdigest()


def record_export(folder: Path, name: str, form: str, digest: str) -> None:
    """Add an export to the record of its run; where the record cannot be written, a warning gives the digest.

    Args:
        folder: The run's folder.
        name: The export's file name.
        form: Its format.
        digest: Of `digest_export`.
    """
    entry = {"file": name, "format": form, "sha256": digest}
    try:
        write_json(folder / RECORD, [*_read_record(folder / RECORD), entry])
    except OSError as error:
        logger.warning(
            "%s cannot be written (%s). To predict with %s, give its digest: %s", RECORD, error, name, digest
        )


def check_known(path: Path, digest: str | None, runs: Path) -> None:
    """Check that an export has the digest that the user gave; without one, that a SavedModel is recorded by a run.

    Args:
        path: The exported file or folder.
        digest: What the user expects, 64 hexadecimal digits; None: nothing is expected.
        runs: Folder of the runs.

    Raises:
        SettingError: The expected digest is not one.
        UnknownExportError: The export has another digest, or is a SavedModel that no run has recorded.
        DamagedStoreError: See `digest_export`.
    """
    if digest is not None:
        _check_expected(path, digest.lower())
    elif path.is_dir():
        _check_recorded(path, runs)


def _check_expected(path: Path, expected: str) -> None:
    if not _DIGEST.fullmatch(expected):
        raise SettingError(f"A digest is a SHA-256, 64 hexadecimal digits. Received: {expected!r}.")
    received = digest_export(path)
    if received != expected:
        raise UnknownExportError(
            f"{path} is not the expected export, or was changed, so it is not loaded. "
            f"Received: SHA-256 {received}. Expected: {expected}."
        )


def _check_recorded(path: Path, runs: Path) -> None:
    received = digest_export(path)
    records = [_read_record(record) for record in runs.glob(f"[!.]*/{RECORD}")]
    if not any(entry["sha256"] == received for entries in records for entry in entries):
        raise UnknownExportError(
            f"{path} is not loaded: a SavedModel is a program, and no run in {runs} has recorded this one (SHA-256 {received}). "
            "Name the folder of the run that it was exported from with --runs, or, if you trust its source, give the digest that "
            "`bottleneck export` printed there with --digest. Or export the run as .keras, .onnx or .tflite."
        )


def _read_record(path: Path) -> list[dict[str, str]]:
    """The entries of a record; none where there is no record, or none that can be understood."""
    try:
        entries = read_json(path, _MAX_BYTES)
        return [{name: str(entry[name]) for name in ("file", "format", "sha256")} for entry in entries]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, LookupError) as error:
        logger.warning("%s cannot be read, so its exports are unknown: %r", path, error)
        return []


def _names(folder: Path) -> Iterator[bytes]:
    """Names of all files, relative to the folder, with slashes."""
    waiting = [os.fspath(folder)]  # a list, because folders can be very deep
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                relative = os.fsencode(os.path.relpath(entry.path, folder)).replace(os.sep.encode(), b"/")
                is_folder = entry.is_dir(follow_symlinks=False)
                # A name of several lines could make two folders of different content print the same text.
                if not (is_folder or entry.is_file(follow_symlinks=False)) or any(c in relative for c in b"\n\r\\"):
                    raise DamagedStoreError(
                        f"{entry.path} is a link or has a name that no export has, so {folder} is not loaded."
                    )
                if is_folder:
                    waiting.append(entry.path)
                else:
                    yield relative


def _digest_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
