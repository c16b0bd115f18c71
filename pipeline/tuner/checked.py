"""Labels that a user takes for right, kept beside the label file; see `pipeline.insight.checked` for the table."""

import contextlib
import csv
import io
import logging
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.errors import PipelineError, UnwritableLabelsError
from pipeline.files import replacing
from pipeline.images.files.hashing import file_stamp
from pipeline.insight.checked import COLUMNS, Checked, read_checked
from pipeline.tuner.locks import locked

logger = logging.getLogger(__name__)


class Change(NamedTuple):
    """A label that was changed or checked."""

    row: int
    """Of the image in the manifest."""

    before: str | None
    """Its previous label; None: the label was checked, and is the same."""

    is_new: bool
    """Whether its label was not known to be right before."""


def checking(step: Callable[..., bool], *given: Any) -> bool:
    """Check a label that was changed, or undo that. If it fails, the new label stays: it is only asked about again."""
    try:
        return step(*given)
    except PipelineError as error:
        logger.warning("The label was changed, but the image may be a suspect again: %s", error)
        return False


class CheckedFile:
    """The checked labels of a data set. Threads may share it; tuners that share the file see each other's.

    Args:
        path: The file, which need not exist yet; None: they are kept until the tuner ends.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._known: Checked = {}
        self._stamp: object = None

    @property
    def labels(self) -> Checked:
        """All of them; the file is read again if it has changed.

        Raises:
            DataLayoutError: The file is another table.
        """
        with self._lock:
            return self._read()

    def add(self, digest: bytes, label: str, name: str) -> bool:
        """Take the label of an image for right; False if it is known already.

        Args:
            digest: SHA-256 of the image.
            label: Its label.
            name: Its path, for people who read the file.

        Raises:
            DataLayoutError: The file is another table.
            UnwritableLabelsError: The file cannot be written; it stays as it was.
        """
        # A path that is not Unicode has characters that UTF-8 cannot encode.
        shown = name.encode("utf-8", "replace").decode()
        row = {"path": shown, "label": label, "sha256": digest.hex()}

        def add(records: list[list[str]]) -> list[list[str]]:
            return [*records, [row.get(key, "") for key in records[0]]]

        return self._change(digest, label, add, is_there=False)

    def remove(self, digest: bytes, label: str) -> bool:
        """Let the label be a suspect again; False if it was not checked. Errors are those of `add`."""

        def remove(records: list[list[str]]) -> list[list[str]]:
            key, name = records[0].index("sha256"), records[0].index("label")
            return [one for one in records if not one or (one[key].lower(), one[name]) != (digest.hex(), label)]

        return self._change(digest, label, remove, is_there=True)

    def _change(
        self, digest: bytes, label: str, change: Callable[[list[list[str]]], list[list[str]]], *, is_there: bool
    ) -> bool:
        with self._lock:
            if self.path is None:
                return self._change_memory(digest, label, is_there=is_there)
            path = self.path.resolve()
            try:
                with locked(path):
                    if (label in self._read().get(digest, ())) != is_there:
                        return False
                    _write(path, change(_records(path)))
            except (OSError, UnicodeEncodeError) as error:
                reason = getattr(error, "strerror", None) or error
                raise UnwritableLabelsError(
                    f"{self.path} cannot be written: {reason}. The file is as it was, and the label is not marked as checked."
                ) from error
            self._read()
            return True

    def _change_memory(self, digest: bytes, label: str, *, is_there: bool) -> bool:
        known = self._known.get(digest, frozenset[str]())
        if (label in known) != is_there:
            return False
        self._known = {**self._known, digest: known ^ {label}}
        return True

    def _read(self) -> Checked:
        if self.path is not None and (stamp := file_stamp(self.path)) != self._stamp:
            self._known, self._stamp = read_checked(self.path), stamp
        return self._known


def _records(path: Path) -> list[list[str]]:
    """The rows of the file, the header first."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.reader(file)) or [list(COLUMNS)]
    except FileNotFoundError:
        return [list(COLUMNS)]


def _write(path: Path, records: Iterable[Iterable[str]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows(records)
    data = stream.getvalue().encode()
    with replacing(path, sync=True) as beside:
        beside.write_bytes(data)
        with contextlib.suppress(FileNotFoundError):  # a new file
            shutil.copymode(path, beside)
