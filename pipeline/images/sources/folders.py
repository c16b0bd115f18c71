"""Manifests of folder trees: class folders, or train/validation/test above them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import DataLayoutError
from pipeline.images.decode import EXTENSIONS
from pipeline.images.manifest import Files, Manifest, Skipped
from pipeline.images.reading import Reading
from pipeline.images.sources.columns import Columns

NOT_UNICODE = "file name is not valid Unicode"


@dataclass
class _Found:
    """Image files below a folder, by their paths relative to it (`a/b.jpg`), and those that are skipped."""

    names: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def scan_folder(root: Path, reading: Reading) -> Manifest:
    """The manifest of a folder tree, in the order of its sorted paths.

    The label is the name of the first folder (below the split's folder, if there is one); images in deeper
    folders belong to it too. Files directly in the root have no label. Without a validation folder, images of the
    training split become the validation split (and the test split, if there is no test folder either), by `reading.split`.
    If train and validation are given, no test split is made.

    Raises:
        DataLayoutError: There is no image below the folder.
    """
    found = _walk(root)
    if not found.names:
        first = found.skipped[0] if found.skipped else None
        seen = f" {len(found.skipped)} files were skipped, the first: {first.path} ({first.reason})." if first else ""
        raise DataLayoutError(
            f"No image below {root}.{seen} Expected one folder per class (DATA/cats/1.jpg), or train/validation/test "
            f"folders above them; extensions {', '.join(sorted(EXTENSIONS))}."
        )
    columns = Columns.of_paths(found.names, found.skipped)
    digests = reading.hashes.digests([f"{root}/{name}" for name in found.names], progress=reading.progress)
    images = Files(root, tuple(found.names))
    return columns.manifest(images, digests, reading, root.resolve().name)


def find_images(folder: Path) -> list[tuple[str, str | None]]:
    """All image files below a folder, sorted: path relative to the folder, and the reason if the file is skipped, else None."""
    found = _walk(folder)
    names: list[tuple[str, str | None]] = [(name, None) for name in found.names]
    return sorted(
        [*names, *((entry.path, entry.reason) for entry in found.skipped)], key=lambda pair: pair[0].split("/")
    )


def _walk(root: Path) -> _Found:
    """Every image file below the root, sorted by path; hidden files and folders are ignored.

    Paths are strings here: making a Path of each takes longer than the rest of a scan.
    """
    found = _Found()
    inside = root.resolve()
    for entry, name in _entries(root, ""):
        if not is_unicode(name):
            found.skipped.append(Skipped(ascii(name), NOT_UNICODE))
            continue
        reason = _refusal(entry, inside)
        if reason:
            found.skipped.append(Skipped(name, reason))
        else:
            found.names.append(name)
    found.names.sort(key=lambda name: name.split("/"))
    return found


def is_unicode(path: Path | str) -> bool:
    """Whether a name is valid Unicode; on Linux the name of a file can be any bytes."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _entries(folder: Path | str, above: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Entries that may be images, each with its path below the root."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = above + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and os.access(entry.path, os.R_OK | os.X_OK):
                yield from _entries(entry.path, f"{name}/")
            elif is_folder or has_image_extension(entry.name) or _is_folder_link(entry):
                yield entry, name


def has_image_extension(name: str) -> bool:
    """Whether a name has the extension of an image."""
    return name[name.rfind(".") :].lower() in EXTENSIONS


def _is_folder_link(entry: os.DirEntry[str]) -> bool:
    # DirEntry.is_dir raises on a link that points to itself; Path.is_dir returns False.
    return entry.is_symlink() and Path(entry.path).is_dir()


def _refusal(entry: os.DirEntry[str], inside: Path) -> str | None:
    """The reason to skip an entry, or None. Only regular files inside the data folder are read: a pipe would block the scan."""
    if entry.is_dir(follow_symlinks=False):
        return "folder that cannot be read"
    try:
        if _is_folder_link(entry):
            return "symbolic link to a folder"  # following it could loop, or leave the data folder
        if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(inside):
            return "symbolic link that leaves the data folder"
        if entry.is_file():
            return None
    except (OSError, RuntimeError) as error:
        return f"cannot be read: {error}"
    return "broken symbolic link" if entry.is_symlink() else "not a regular file"
