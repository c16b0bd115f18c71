"""Manifests of folder trees: class folders, or train/validation/test above them."""

import errno
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from unicodedata import normalize

from pipeline.errors import DataLayoutError
from pipeline.images.files.kinds import (
    HEAD_BYTES,
    OWN_FOLDERS,
    Other,
    has_image_extension,
    is_own_folder,
    is_system_file,
    is_system_folder,
    kind_of_system_file,
    kind_of_system_folder,
    other_kind,
)
from pipeline.images.manifest import Files, Manifest
from pipeline.images.sources.beside import TABLES, is_list_of_splits, note_lists, note_tables
from pipeline.images.sources.columns import Columns
from pipeline.images.sources.layout import folders_above, keep_folders, warn_of_empty
from pipeline.images.sources.reading import Reading
from pipeline.images.summary import Ignored, Skipped

NOT_UNICODE = "file name is not valid Unicode"
LEFT_OUT = "left out by --ignore-column"
_BROKEN_LINKS = Other("broken links")
_SPECIAL_FILES = Other("pipes, sockets and devices")

_Identity = tuple[int, int]
"""Device and inode of a folder."""


@dataclass
class Found:
    """What is below a folder; all paths are relative to it (`a/b.jpg`)."""

    names: list[str] = field(default_factory=list)
    """Image files, sorted folder by folder."""

    skipped: list[Skipped] = field(default_factory=list)
    """Files that are, or may be, images and cannot be read, and folders that are not entered."""

    others: list[Other] = field(default_factory=list)
    """The kind of each other file."""

    folders: list[str] = field(default_factory=list)
    """The folders that were looked into."""

    tables: list[str] = field(default_factory=list)
    """Tables beside the first folders or in one of them, which may have the labels."""

    lists: list[str] = field(default_factory=list)
    """Files that may have the splits."""

    def note_table(self, name: str, other: Other, depth: int = 1) -> None:
        """Keep the name of a table that is at most so many folders deep; texts in folders may be notes on one image each."""
        if is_list_of_splits(name, other.kind):
            self.lists.append(name)
        if other.kind in TABLES and name.count("/") <= (0 if other.kind == ".txt" else depth):
            self.tables.append(name)

    @property
    def ignored(self) -> tuple[Ignored, ...]:
        """The other files by kind."""
        return count_kinds(self.others)

    @property
    def summary(self) -> str:
        """What was found instead of images, for the message of an error; empty if there is nothing."""
        seen = f" It contains {_describe(self.ignored)}." if self.others else ""
        if self.skipped:
            first = self.skipped[0]
            seen += f" {len(self.skipped)} files were skipped, the first: {first.path} ({first.reason})."
        return seen


def scan_folder(root: Path, reading: Reading) -> Manifest:
    """The manifest of a folder tree, in the order of its sorted paths.

    The label is the name of the first folder (below the split's folder, if there is one), or of the folder that the image is in,
    as `reading.classes_from` says. Images beside the class folders have no label. Without a validation folder, images of the
    training split become the validation split (and the test split, if there is no test folder either), by `reading.split`.
    If train and validation are given, no test split is made. See `layout` for what folders mean.

    Raises:
        DataLayoutError: There is no image below the folder, or it is not clear which folders are splits.
    """
    found = find_images(root, follow_links=reading.follow_links)
    columns = columns_of_found(found, reading, str(root))
    digests = reading.hashes.digests([f"{root}/{name}" for name in found.names], progress=reading.progress)
    return columns.manifest(Files(root, tuple(found.names)), digests, reading, root.resolve().name)


def columns_of_found(found: Found, reading: Reading, where: str) -> Columns:
    """Names, labels and splits of the images below a folder or a URL.

    Raises:
        DataLayoutError: There is no image, or it is not clear which folders are splits.
    """
    leave_out(found, reading)
    if not found.names:
        raise DataLayoutError(
            f"No image below {where}.{found.summary} Expected one folder per class (DATA/cats/1.jpg), or "
            "train/validation/test folders above them."
        )
    columns = replace(
        Columns.of_paths(found.names, reading),
        names=shown_names(found.names),
        skipped=found.skipped,
        ignored=found.ignored,
    )
    return replace(columns, warnings=[*columns.warnings, *notes_of(found, columns, where)])


def notes_of(found: Found, columns: Columns, where: str, *, is_packed: bool = False) -> list[str]:
    """Sentences about empty folders, and about tables and lists beside the images."""
    labels = columns.answers.labels
    return [
        *warn_of_empty(found.folders, found.names),
        *note_tables(where, found.tables, labels, is_packed=is_packed),
        *note_lists("" if is_packed else where, found.lists, labels, columns.splits),
    ]


def count_kinds(others: Iterable[Other]) -> tuple[Ignored, ...]:
    """How many files there are of each kind, the most frequent kind first."""
    counts = sorted(Counter(others).items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(Ignored(other.kind, number, other.reason) for other, number in counts)


def _describe(ignored: Iterable[Ignored]) -> str:
    """The kinds in one text: `12 .heic (HEIC images need ...), 3 .txt`."""
    return ", ".join(
        f"{entry.count} {entry.kind}" + (f" ({entry.reason})" if entry.reason else "") for entry in ignored
    )


def leave_out(found: Found, reading: Reading) -> None:
    """Remove the images in the first folders that the user ignores; they are counted."""
    if reading.ignore_column and found.names:
        kept = keep_folders(found.names, reading.ignore_column)
        found.others += [Other("images in ignored folders", LEFT_OUT)] * (len(found.names) - len(kept))
        full = folders_above(found.names)
        found.names = [found.names[position] for position in kept]
        emptied = full - folders_above(found.names)
        found.folders = [folder for folder in found.folders if folder not in emptied]


def shown_names(names: Sequence[str]) -> list[str]:
    """Names in Unicode normal form C, as people type them; two that would be the same keep the form that they have."""
    if all(map(str.isascii, names)):
        return list(names)
    shown = [normalize("NFC", name) for name in names]
    counts = Counter(shown)
    return [new if counts[new] == 1 else name for name, new in zip(names, shown, strict=True)]


def real_names(root: Path, names: Sequence[str]) -> list[str]:
    """The names that files below a folder have on the disk, given in any Unicode normal form; unchanged if there is no such file."""
    listings: dict[str, dict[str, str]] = {}
    return [name if name.isascii() or (root / name).exists() else _real_name(root, name, listings) for name in names]


def _real_name(root: Path, name: str, listings: dict[str, dict[str, str]]) -> str:
    """One of these names. `listings` keeps the entries of each folder, by their names in normal form C."""
    found = ""
    for part in name.split("/"):
        if found not in listings:
            try:
                listings[found] = {normalize("NFC", entry): entry for entry in os.listdir(root / found)}  # noqa: PTH208 names alone
            except OSError:
                listings[found] = {}
        entry = listings[found].get(normalize("NFC", part))
        if entry is None:
            return name
        found = f"{found}/{entry}" if found else entry
    return found


def find_images(folder: Path, *, follow_links: bool = False) -> Found:
    """Look at every file below a folder.

    A link to a file is followed wherever it leads: whoever made the folder chose that file. What systems leave behind is
    ignored and counted.

    Args:
        folder: The folder, which may be a link itself.
        follow_links: Enter folders behind links, too; not a folder that is being looked at already.
    """
    walk = _Walk(follow_links)
    walk.enter(os.fspath(folder), "", ())
    while walk.waiting:
        path, name, ancestors = walk.waiting.pop()
        walk.try_to_enter(path, name, ancestors)
    walk.found.names.sort(key=lambda name: name.split("/"))
    walk.found.folders = [name for name in walk.found.folders if name not in walk.above_own]
    return walk.found


def is_unicode(path: Path | str) -> bool:
    """Whether a name is valid Unicode; on Linux the name of a file can be any bytes."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass
class _Walk:
    """One pass over a folder. Paths are strings here: making a Path of each takes longer than the rest of a scan."""

    follow_links: bool
    found: Found = field(default_factory=Found)
    waiting: list[tuple[str, str, tuple[_Identity, ...]]] = field(default_factory=list)
    """Folders that are not entered yet: path, path below the root, ancestors. A list, because folders can be very deep."""

    above_own: set[str] = field(default_factory=set)
    """Folders with runs or stores in them, such as `runs`: nobody expects an image there."""

    def try_to_enter(self, folder: str, name: str, ancestors: tuple[_Identity, ...]) -> None:
        """Look at the entries of a folder below the root; one that cannot be read is skipped."""
        self.found.folders.append(name)
        try:
            self.enter(folder, f"{name}/", ancestors)
        except PermissionError:
            self._skip(name, "folder that cannot be read")
        except OSError as error:
            self._skip(name, f"cannot be read: {error.strerror or error}")

    def enter(self, folder: str, above: str, ancestors: tuple[_Identity, ...]) -> None:
        """Look at the entries of a folder.

        Args:
            folder: Its path.
            above: Its path below the root, with a slash behind; empty for the root.
            ancestors: The folders that it was reached through.
        """
        if self.follow_links:
            stat = os.stat(folder)  # noqa: PTH116 a path as text
            ancestors = (*ancestors, (stat.st_dev, stat.st_ino))
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                # Nearly all entries are these; nothing is asked of the file system for them.
                if has_image_extension(name) and name[0] != "." and entry.is_file(follow_symlinks=False):
                    self._add(above + name)
                else:
                    self._look(entry, above + name, ancestors)

    def _add(self, name: str) -> None:
        if name.isascii() or is_unicode(name):
            self.found.names.append(name)
        else:
            self._skip(name, NOT_UNICODE)

    def _skip(self, name: str, reason: str) -> None:
        self.found.skipped.append(Skipped(name if is_unicode(name) else ascii(name), reason))

    def _look(self, entry: os.DirEntry[str], name: str, ancestors: tuple[_Identity, ...]) -> None:
        """Look at an entry that needs more than a glance; one that cannot be read costs itself alone."""
        try:
            if entry.is_dir(follow_symlinks=False):
                self._look_at_folder(entry, name, ancestors)
            elif is_system_file(entry.name):
                self.found.others.append(kind_of_system_file(entry.name))
            elif entry.is_symlink() and entry.is_dir():
                self._look_at_folder_link(entry, name, ancestors)
            elif entry.is_file():
                self._look_at_file(entry, name)
            else:
                self._look_at_rest(entry, name)
        except OSError as error:
            if error.errno == errno.ELOOP:
                self._look_at_rest(entry, name)
            else:
                self._skip(name, f"cannot be read: {error.strerror or error}")

    def _look_at_folder(self, entry: os.DirEntry[str], name: str, ancestors: tuple[_Identity, ...]) -> None:
        if is_system_folder(entry.name):
            self.found.others.append(kind_of_system_folder(entry.name))
        elif is_own_folder(entry.path):
            self.found.others.append(OWN_FOLDERS)
            self.above_own.add(name.rpartition("/")[0])
        else:
            self.waiting.append((entry.path, name, ancestors))

    def _look_at_folder_link(self, entry: os.DirEntry[str], name: str, ancestors: tuple[_Identity, ...]) -> None:
        stat = entry.stat()
        if not self.follow_links:
            self._skip(name, "symbolic link to a folder; it is followed with --follow-links")
        elif (stat.st_dev, stat.st_ino) in ancestors:
            self._skip(name, "symbolic link to a folder that it is in")
        else:
            self._look_at_folder(entry, name, ancestors)

    def _look_at_file(self, entry: os.DirEntry[str], name: str) -> None:
        other = None if has_image_extension(entry.name) else other_kind(entry.name, _head(entry.path))
        if other is None:
            self._add(name)
            return
        self.found.others.append(other)
        self.found.note_table(name, other)

    def _look_at_rest(self, entry: os.DirEntry[str], name: str) -> None:
        """A link that leads nowhere, or a pipe, which would block a reader."""
        is_broken = entry.is_symlink() and not Path(entry.path).exists()
        if has_image_extension(entry.name):
            self._skip(name, "broken symbolic link" if is_broken else "not a regular file")
        else:
            self.found.others.append(_BROKEN_LINKS if is_broken else _SPECIAL_FILES)


def _head(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 a path as text
        return file.read(HEAD_BYTES)
