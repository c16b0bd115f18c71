"""Manifests of archives: class folders, or train/validation/test above them, in a .zip or .tar, read without unpacking.

No member is written under its own name, so none can overwrite another file; members that are not read are listed as skipped.
A compressed tar can only be read sequentially: its images go through a `Spool`.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import DataLayoutError
from pipeline.files import open_regular
from pipeline.images.decoding.decoder import MAX_BYTES
from pipeline.images.entries import Entry, Listed, entries_of
from pipeline.images.files.kinds import (
    HEAD_BYTES,
    ending_of,
    is_known_ending,
    is_system_file,
    is_system_folder,
    kind_of_system_file,
    kind_of_system_folder,
)
from pipeline.images.files.leftovers import leftover_reason
from pipeline.images.files.limits import MAX_ARCHIVE_BYTES
from pipeline.images.manifest import ImageBytes, Manifest
from pipeline.images.sources.archives.members import Member
from pipeline.images.sources.archives.tars import DAMAGE, list_tar
from pipeline.images.sources.archives.zips import list_zip
from pipeline.images.sources.columns import Columns
from pipeline.images.sources.folders import NOT_UNICODE, Found, is_unicode, leave_out, notes_of, shown_names
from pipeline.images.sources.layout import shared_folders
from pipeline.images.sources.reading import Reading
from pipeline.images.summary import Skipped

_OTHER_ZIPS = frozenset(
    f".{ending}"
    for ending in [
        "xlsx",
        "xlsm",
        "docx",
        "pptx",
        "ods",
        "odt",
        "odp",
        "epub",
        "keras",
        "pt",
        "pth",
        "ckpt",
        "whl",
        "jar",
        "apk",
        "parquet",
        "csv",
        "tsv",
        "txt",
        "json",
    ]
)
"""Endings of zip files that are something else, and of tables."""

EXTENSIONS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_TAR_MARK = 257, b"ustar"
"""Offset and bytes in the header of a tar."""

_ZIPS = (b"PK\3\4", b"PK\5\6")
_PACKED_TARS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
_MAX_FOLDERS = 32
_TABLE_DEPTH = 2
"""Folders that a table with the labels may be in: a wrapper, and one of a split."""

_MAX_NAME = 4096
_DAMAGE = (zipfile.BadZipFile, *DAMAGE)


def is_archive(path: Path) -> bool:
    """Whether the file name has the extension of an archive; where it has none that is known, whether the content begins as one."""
    if path.name.lower().endswith(EXTENSIONS):
        return True
    ending = ending_of(path.name)
    if is_known_ending(ending) or ending in _OTHER_ZIPS or not path.is_file():
        return False
    try:
        return _kind_of(path) is not None
    except OSError:
        return False


def _title_of(path: Path) -> str:
    """The file's name without the extension of an archive."""
    return next((path.name[: -len(ending)] for ending in EXTENSIONS if path.name.lower().endswith(ending)), path.stem)


def scan_archive(path: Path, reading: Reading) -> Manifest:
    """The manifest that the unpacked archive would have, in the order of its sorted names.

    Folders that all images share (`photos/` of `photos/cats/1.jpg`) are left out of the names, except folders of
    splits. Links, devices, encrypted members, names that lead out of the archive, and members compressed as strongly as
    only decompression bombs are, are skipped. If a name occurs twice the last member is used, as when unpacking.

    Raises:
        DataLayoutError: The archive is damaged, contains no image, or it is not clear which folders are splits.
    """
    content = _open(path, reading)
    columns = _columns(content.found, reading, content.warnings)
    return columns.manifest(content.images, content.digests, reading, _title_of(path))


def list_archive(path: Path, reading: Reading) -> Listed:
    """All images of an archive by their names in it, whatever its folders mean; those that are not read with the reason.

    Raises:
        DataLayoutError: The archive is damaged, or contains no image.
    """
    content = _open(path, reading)
    beside = f"{path}/"
    entries = entries_of(content.found.names, content.images, content.digests, beside=beside)
    entries += [Entry(f"{beside}{entry.path}", None, entry.reason) for entry in content.found.skipped]
    return Listed(sorted(entries, key=lambda entry: entry.name.split("/")), content.warnings)


@dataclass(frozen=True)
class _Content:
    """The images of an archive."""

    found: Found
    """Its `names` are those of the images, sorted."""

    images: ImageBytes
    digests: Sequence[bytes | OSError]
    warnings: tuple[str, ...]


def _open(path: Path, reading: Reading) -> _Content:
    """List and hash the images of an archive.

    Raises:
        DataLayoutError: It is damaged, or contains no image.
    """
    try:
        listing = list_zip(path) if _is_zip(path) else list_tar(path, reading.home)
    except DataLayoutError:
        raise
    except _DAMAGE as error:
        what = leftover_reason(_head_of(path)) if _kind_of(path) is None else ""
        reason = (
            f"it is {what}" if what else f"{str(error).rstrip('.')}. If it is incomplete, download or copy it again"
        )
        raise DataLayoutError(f"{path} is not a readable archive: {reason}.") from error
    members, found = _choose(listing.members)
    leave_out(found, reading)
    chosen = [members[name] for name in found.names]
    if not chosen:
        raise DataLayoutError(
            f"No image in {path}.{found.summary.replace(' files were', ' members were')} Expected one folder per class "
            "(cats/1.jpg), or train/validation/test folders above them."
        )
    images = listing.make_images(chosen)
    digests = reading.hashes.member_digests(path, found.names, images.read, progress=reading.progress)
    return _Content(found, images, digests, tuple(listing.warnings))


def _is_zip(path: Path) -> bool:
    """Whether an archive is a zip, by its first bytes; by its name if they are those of no archive."""
    return (_kind_of(path) or ("zip" if path.name.lower().endswith(".zip") else "tar")) == "zip"


def _kind_of(path: Path) -> str | None:
    """`zip` or `tar`, by the first bytes of a file; None if they are of neither."""
    head = _head_of(path)
    is_tar = head.startswith(_PACKED_TARS) or head.startswith(_TAR_MARK[1], _TAR_MARK[0])
    return "zip" if head.startswith(_ZIPS) else "tar" if is_tar else None


def _head_of(path: Path) -> bytes:
    with open_regular(path, MAX_ARCHIVE_BYTES, follow_links=True) as file:
        return file.read(HEAD_BYTES)


def _columns(found: Found, reading: Reading, warnings: Sequence[str]) -> Columns:
    """Names, labels and splits of the images."""
    columns = Columns.of_paths(found.names, reading)
    shared = shared_folders(found.names)
    return replace(
        columns,
        names=shown_names([name.split("/", shared)[-1] for name in found.names]),
        skipped=found.skipped,
        ignored=found.ignored,
        warnings=[*warnings, *columns.warnings, *notes_of(found, columns, "", is_packed=True)],
    )


def _choose(members: Sequence[Member]) -> tuple[dict[str, Member], Found]:
    """Image members by their normalized names, and all that a walk over the unpacked folder would find."""
    chosen: dict[str, Member] = {}
    found = Found()
    folders: set[str] = set()
    system: set[str] = set()
    for member in members:
        if not is_unicode(member.name):
            found.skipped.append(Skipped(ascii(member.name), NOT_UNICODE))
            continue
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if not parts:
            continue
        left = _system_part(parts)
        if left is not None:
            if left == len(parts) - 1:
                found.others.append(kind_of_system_file(parts[-1]))
            else:
                system.add("/".join(parts[: left + 1]))
            continue
        # A refused member is listed whatever its name: a link may lead to a folder of images.
        name = "/".join(parts)
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
        reason = _name_refusal(member.name, parts) or member.refusal or _size_refusal(member.size)
        if member.other and not reason:
            found.others.append(member.other)
            found.note_table(name, member.other, _TABLE_DEPTH)
        elif reason:
            found.skipped.append(Skipped(member.name[:_MAX_NAME], reason))
        else:
            if name in chosen:
                found.skipped.append(Skipped(name, "occurs again later in the archive"))
            chosen[name] = Member(name, member.size, member.position, None)
    found.names = sorted(chosen, key=lambda name: name.split("/"))
    found.others += map(kind_of_system_folder, system)
    found.folders = sorted(folders)
    return chosen, found


def _system_part(parts: Sequence[str]) -> int | None:
    """The position of the first part of a path that systems leave behind; None if there is none."""
    for position, part in enumerate(parts[:-1]):
        if part != ".." and is_system_folder(part):
            return position
    return len(parts) - 1 if parts[-1] != ".." and is_system_file(parts[-1]) else None


def _name_refusal(name: str, parts: Sequence[str]) -> str | None:
    if name.startswith("/") or parts[0].endswith(":"):
        return "absolute path; make the archive again with relative names, or unpack it"
    if ".." in parts:
        return "path leaves the archive; make it again from inside its folder, or unpack it"
    if "\0" in name or len(name) > _MAX_NAME:
        return "not a path"
    return f"more than {_MAX_FOLDERS} folders deep" if len(parts) > _MAX_FOLDERS else None


def _size_refusal(size: int) -> str | None:
    return None if 0 <= size <= MAX_BYTES else f"{size:,} bytes; the limit is {MAX_BYTES:,}"
