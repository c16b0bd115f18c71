"""The label file: new labels of images, in a table beside the data folder and never in it.

It is a complete table (path, label, split), so every command accepts it as DATA.
"""

import contextlib
import errno
import os
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

from pipeline.errors import DataLayoutError, SettingError, UnwritableLabelsError
from pipeline.files import read_regular, replacing
from pipeline.images.files.hashing import file_stamp
from pipeline.images.manifest import Files, Manifest
from pipeline.images.scan import Data
from pipeline.images.sources.words import split_of
from pipeline.insight.checked import checked_path
from pipeline.settings import FeatureSettings
from pipeline.stage_one.scan import LABELS_ENDING
from pipeline.tuner.checked import CheckedFile
from pipeline.tuner.label_table import LabelTable
from pipeline.tuner.locks import locked

_MAX_BYTES = 2**28
_TRIES = 20
"""Attempts to write, each of which fails if another program changes the file meanwhile."""


def label_path(data: Data | Manifest, manifest: Manifest, given: Path | None) -> Path | None:
    """The label file: the given one, or `photos.labels.csv` beside the folder `photos`.

    Args:
        data: The data set, as the user named it.
        manifest: Its images.
        given: The file that the user named.

    Returns:
        None if the data is no folder and no file is given: nothing can be relabelled then.

    Raises:
        SettingError: The file would be in the data folder, or its name does not end in `.csv`.
    """
    source = Path(data).resolve() if isinstance(data, str | Path) else None
    if given is None:
        return (
            source.with_name(f"{source.name}{LABELS_ENDING}")
            if source and source.is_dir() and manifest.is_files
            else None
        )
    if given.suffix.lower() != ".csv":
        raise SettingError(f"A label file is a CSV table, so its name ends in .csv. Received: --labels {given}.")
    if source is not None and given.resolve().is_relative_to(source):
        raise SettingError(
            f"The label file must be outside the data, which is only read. Received: --labels {given}, which is in {data}."
        )
    return given


def label_command(path: Path, manifest: Manifest, features: FeatureSettings) -> str | None:
    """The command that trains a head on the labels of a label file.

    Args:
        path: The label file.
        manifest: The images.
        features: Settings of the tuner, so that the command uses the same rows.

    Returns:
        None if the images are not files, so that no table can name them.
    """
    if not isinstance(manifest.images, Files):
        return None
    words = ["bottleneck", "head", _near(path), "--root", _near(manifest.images.root), *features.as_options()]
    return shlex.join(words)


def _near(path: Path) -> str:
    """The path relative to the current folder, if it is below it."""
    whole, here = path.resolve(), Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)


class LabelFile:
    """The labels and splits of a data set, in a file that is read at the start and changed label by label.

    Other programs may write to the file. Other tuners take the same lock, so they wait for each other. The rest know no lock,
    so the file is compared right before it is replaced, and read again if it has changed. Only what they write between this
    comparison and the renaming is lost.

    Args:
        path: The file; it need not exist yet.
        command: A command that trains on its labels; None if there is none.
    """

    def __init__(self, path: Path, command: str | None = None) -> None:
        self.path, self.command = path, command
        self.checked = CheckedFile(checked_path(path.resolve()))
        """Labels that a user takes for right, in a file beside this one."""

    def read(self, manifest: Manifest) -> Manifest:
        """The manifest with the labels and splits of the file; images that are not in the file keep theirs.

        Raises:
            DataLayoutError: The file is no table of these images, or the file of checked labels is another table.
        """
        _ = self.checked.labels  # found now, and not when the first label is checked
        entries = self._table(self._content(), manifest).entries
        found = [entries.get(name, ("", "")) for name in manifest.names]
        return replace(
            manifest,
            labels=tuple(new or old for (new, _), old in zip(found, manifest.labels, strict=True)),
            splits=tuple(
                (split_of(new) or new) if new else old for (_, new), old in zip(found, manifest.splits, strict=True)
            ),
        )

    def set_label(self, manifest: Manifest, row: int, label: str) -> None:
        """Change the label of one image, and add rows of images that the file lacks. Everything else stays.

        Args:
            manifest: All images; rows that the file lacks come from here.
            row: The image's row in the manifest.
            label: Its new label.

        Raises:
            DataLayoutError: The file is no longer a table of these images.
            UnwritableLabelsError: The file cannot be written; it stays as it was.
        """
        try:
            with locked(self.path.resolve()):
                for _ in range(_TRIES):
                    if self._try_label(manifest, row, label):
                        return
                raise BlockingIOError(errno.EAGAIN, "another program changes the file all the time")
        except (OSError, UnicodeEncodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UnwritableLabelsError(
                f"{self.path} cannot be written: {reason}. The file is as it was, and the label was not changed."
            ) from error

    def _try_label(self, manifest: Manifest, row: int, label: str) -> bool:
        """Write the label into the file as it is now; False if the file changed meanwhile."""
        # A link to the file stays a link.
        path = self.path.resolve()
        stamp, content = file_stamp(path), self._content()
        table = self._table(content, manifest)
        rows = zip(manifest.names, manifest.labels, manifest.splits, strict=True)
        complete = table.with_rows(entry for entry in rows if entry[0] not in table.entries)
        data = complete.with_label(manifest.names[row], label).to_bytes()
        with contextlib.suppress(_ChangedMeanwhileError), replacing(path) as beside:
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(
                FileNotFoundError
            ):  # a new file; if it was removed meanwhile, the comparison below finds that
                shutil.copymode(path, beside)
            if (self._content(), file_stamp(path)) != (content, stamp):
                raise _ChangedMeanwhileError
            return True
        return False

    def _table(self, content: bytes | None, manifest: Manifest) -> LabelTable:
        """The file's table, or an empty one without a file."""
        if content is None:
            return LabelTable.empty()
        table = LabelTable.parse(content, str(self.path))
        if table.entries and table.entries.keys().isdisjoint(manifest.names):
            raise DataLayoutError(
                f"{self.path} is not the label file of this data: it has none of its {len(manifest)} images. Move the "
                "file away, or name another one with --labels."
            )
        return table

    def _content(self) -> bytes | None:
        try:
            return read_regular(self.path, _MAX_BYTES, follow_links=True)
        except FileNotFoundError:
            return None


class _ChangedMeanwhileError(Exception):
    """Another program wrote to the file during an attempt."""
