"""Manifests of folder trees: class folders, or train/validation/test above them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.errors import DataLayoutError, DataNotFoundError
from pipeline.images.decode import EXTENSIONS
from pipeline.images.hashing import FileHashes
from pipeline.images.manifest import Files, Manifest, Skipped
from pipeline.images.splits import Fractions, assign_splits

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}

_NOT_UNICODE = "file name is not valid Unicode"


@dataclass
class _Found:
    """Image files below a folder, by their paths relative to it (`a/b.jpg`), and the ones refused."""

    names: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def scan_folder(root: Path, *, fractions: Fractions, split_seed: int, hashes: FileHashes, progress: bool) -> Manifest:
    """The manifest of a folder tree, in the order of its sorted paths.

    A label is the name of the first folder (below the split's folder, if there is one); deeper
    folders are read and do not matter. Files directly in the root have no label. A validation or
    test split that has no folder is cut from the others as `fractions` says: validation from train
    if there is a test folder; none is made if both train and validation are given.

    Raises:
        DataLayoutError: There is no image below the folder.
    """
    found = _walk(root)
    if not found.names:
        seen = f" {len(found.skipped)} files were refused, the first: {found.skipped[0]}." if found.skipped else ""
        raise DataLayoutError(
            f"No image below {root}.{seen} Expected one folder a class (DATA/cats/1.jpg), or train/validation/test "
            f"folders above them; extensions {', '.join(sorted(EXTENSIONS))}."
        )
    return build_manifest(
        root,
        found.names,
        labels=None,
        splits=None,
        groups=None,
        skipped=found.skipped,
        fractions=fractions,
        split_seed=split_seed,
        hashes=hashes,
        progress=progress,
    )


def list_images(paths: Sequence[Path], hashes: FileHashes) -> Manifest:
    """An unlabelled manifest of files and of all images below folders, in the order given.

    Raises:
        DataNotFoundError: A path does not exist.
        DataLayoutError: There is no image among them.
    """
    files, skipped = [], []
    for path in paths:
        if path.is_dir():
            found = _walk(path)
            files += [path / name for name in found.names]
            skipped += found.skipped
        elif path.is_file():
            files.append(path)
        elif path.exists():
            skipped.append(Skipped(str(path), "not a regular file"))
        else:
            raise DataNotFoundError(f"No such image: {path}.")
    skipped += [Skipped(ascii(str(file)), _NOT_UNICODE) for file in files if not _is_unicode(file)]
    files = [file for file in files if _is_unicode(file)]
    if not files:
        raise DataLayoutError(f"No image among {[str(path) for path in paths][:8]}.")
    digests = hashes.digests(files)
    good = [(file, digest) for file, digest in zip(files, digests, strict=True) if isinstance(digest, bytes)]
    unread = [
        Skipped(str(f), f"cannot be read: {d}") for f, d in zip(files, digests, strict=True) if isinstance(d, OSError)
    ]
    return Manifest(
        images=Files(Path(), tuple(str(file) for file, _ in good)),
        positions=tuple(range(len(good))),
        names=tuple(str(file) for file, _ in good),
        digests=tuple(digest for _, digest in good),
        labels=(None,) * len(good),
        splits=("test",) * len(good),
        skipped=(*skipped, *unread),
    )


def build_manifest(
    root: Path,
    names: Sequence[str],
    *,
    labels: Sequence[str | None] | None,
    splits: Sequence[str | None] | None,
    groups: Sequence[str | None] | None,
    skipped: Sequence[Skipped],
    fractions: Fractions,
    split_seed: int,
    hashes: FileHashes,
    progress: bool,
) -> Manifest:
    """Hash the files and give each a split; labels and splits not given are read from the paths below the root."""
    split_folders = {
        first for name in names if (first := name.partition("/")[0]) != name and first.lower() in SPLIT_NAMES
    }
    if splits is None:
        splits = [_folder_split(name, split_folders) for name in names]
    if labels is None:
        labels = [_folder_label(name, split_folders) for name in names]
    above = f"{root}/"
    digests = hashes.digests([above + name for name in names], progress=progress)
    good = [row for row, digest in enumerate(digests) if isinstance(digest, bytes)]
    unread = [
        Skipped(name, f"cannot be read: {digest.strerror or digest}")
        for name, digest in zip(names, digests, strict=True)
        if isinstance(digest, OSError)
    ]
    good_digests = [digest for digest in digests if isinstance(digest, bytes)]
    keys = [
        str(groups[row]).encode() if groups is not None and groups[row] is not None else digest
        for row, digest in zip(good, good_digests, strict=True)
    ]
    readable = tuple(names[row] for row in good)
    return Manifest(
        images=Files(root, readable),
        positions=tuple(range(len(good))),
        names=readable,
        digests=tuple(good_digests),
        labels=tuple(labels[row] for row in good),
        splits=complete_splits([splits[row] for row in good], keys, fractions, split_seed),
        skipped=(*skipped, *unread),
        title=root.resolve().name,
    )


def complete_splits(
    given: Sequence[str | None], keys: Sequence[bytes], fractions: Fractions, seed: int
) -> tuple[str, ...]:
    """Fill in the splits that the data leaves open.

    Nothing is given: all images are split. Otherwise images without a split are training images,
    and only a missing validation split is made, out of training images.
    """
    if not any(given):
        return tuple(assign_splits(keys, fractions, seed=seed))
    splits = [split or "train" for split in given]
    if "validation" in splits:
        return tuple(splits)
    # Without a test split of its own the data gets one too; either way only training images move.
    shares = fractions.without_test() if "test" in splits else fractions
    assigned = assign_splits(keys, shares, seed=seed)
    return tuple(new if old == "train" else old for old, new in zip(splits, assigned, strict=True))


def _folder_split(name: str, split_folders: set[str]) -> str | None:
    first, slash, _ = name.partition("/")
    return SPLIT_NAMES[first.lower()] if slash and first in split_folders else None


def _folder_label(name: str, split_folders: set[str]) -> str | None:
    folders = name.split("/")[:-1]
    if folders and folders[0] in split_folders:
        folders = folders[1:]
    return folders[0] if folders else None


def _walk(root: Path) -> _Found:
    """Every image file below the root, sorted by path; hidden files and folders are not looked at.

    Paths are strings here: making a Path of each takes longer than all the rest of a scan.
    """
    found = _Found()
    inside = root.resolve()
    for entry, name in _entries(root, ""):
        if not _is_unicode(name):
            found.skipped.append(Skipped(ascii(name), _NOT_UNICODE))
            continue
        reason = _refusal(entry, inside)
        if reason:
            found.skipped.append(Skipped(name, reason))
        else:
            found.names.append(name)
    found.names.sort(key=lambda name: name.split("/"))
    return found


def _is_unicode(path: Path | str) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _entries(folder: Path | str, above: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    """What may be an image, with its path below the root."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = above + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if is_folder and os.access(entry.path, os.R_OK | os.X_OK):
                yield from _entries(entry.path, f"{name}/")
            elif is_folder or _has_extension(entry.name) or _is_folder_link(entry):
                yield entry, name


def _has_extension(name: str) -> bool:
    return name[name.rfind(".") :].lower() in EXTENSIONS


def _is_folder_link(entry: os.DirEntry[str]) -> bool:
    # DirEntry.is_dir raises on a link that points to itself; Path.is_dir says no.
    return entry.is_symlink() and Path(entry.path).is_dir()


def _refusal(entry: os.DirEntry[str], inside: Path) -> str | None:
    """Why a file is not read: only regular files inside the data folder are (no pipe can hang a scan)."""
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
