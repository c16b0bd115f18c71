"""Manifests of archives: class folders, or train/validation/test above them, in a .zip or .tar, read without unpacking.

No member is written under its own name, so none can overwrite another file; members that are not read are listed as skipped.
A compressed tar can only be read sequentially: its images go through a `Spool`.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import DataLayoutError
from pipeline.images.decode import MAX_BYTES
from pipeline.images.manifest import Manifest, Skipped
from pipeline.images.reading import Reading
from pipeline.images.sources.columns import Columns
from pipeline.images.sources.folders import NOT_UNICODE, has_image_extension, is_unicode
from pipeline.images.sources.members import Member
from pipeline.images.sources.tars import DAMAGE, list_tar
from pipeline.images.sources.zips import list_zip
from pipeline.images.words import split_of

EXTENSIONS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_MAX_FOLDERS = 32
_MAX_NAME = 4096
_DAMAGE = (zipfile.BadZipFile, *DAMAGE)


def is_archive(path: Path) -> bool:
    """Whether the file name has the extension of an archive."""
    return path.name.lower().endswith(EXTENSIONS)


def scan_archive(path: Path, reading: Reading) -> Manifest:
    """The manifest that the unpacked archive would have, in the order of its sorted names.

    Folders that all images share (`photos/` of `photos/cats/1.jpg`) are left out of the names, except folders of
    splits. Links, devices, encrypted members, names that lead out of the archive, and members compressed as strongly as
    only decompression bombs are, are skipped. If a name occurs twice the last member is used, as when unpacking.

    Raises:
        DataLayoutError: The archive is damaged, or contains no image.
    """
    try:
        members, make_images = list_zip(path) if path.name.lower().endswith(".zip") else list_tar(path, reading.home)
    except _DAMAGE as error:
        raise DataLayoutError(f"{path} is not a readable archive: {error}.") from error
    chosen, skipped = _choose(members)
    if not chosen:
        seen = (
            f" {len(skipped)} members were skipped, the first: {skipped[0].path} ({skipped[0].reason})."
            if skipped
            else ""
        )
        raise DataLayoutError(
            f"No image in {path}.{seen} Expected one folder per class (cats/1.jpg), or train/validation/test folders above them."
        )
    images = make_images(chosen)
    names = _without_shared_folders([member.name for member in chosen])
    digests = reading.hashes.member_digests(
        path, [member.name for member in chosen], images.read, progress=reading.progress
    )
    title = next(path.name[: -len(ending)] for ending in EXTENSIONS if path.name.lower().endswith(ending))
    columns = Columns.of_paths(names, skipped)
    return columns.manifest(images, digests, reading, title)


def _choose(members: Sequence[Member]) -> tuple[list[Member], list[Skipped]]:
    """Image members with normalized names, sorted like those of a folder, and the members that are skipped."""
    chosen: dict[str, Member] = {}
    skipped = []
    for member in members:
        if not is_unicode(member.name):
            skipped.append(Skipped(ascii(member.name), NOT_UNICODE))
            continue
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        # A refused member is listed whatever its extension: a link may lead to a folder of images.
        if not parts or _is_hidden(parts) or not (member.refusal or has_image_extension(parts[-1])):
            continue
        name = "/".join(parts)
        reason = _name_refusal(member.name, parts) or member.refusal or _size_refusal(member.size)
        if reason:
            skipped.append(Skipped(member.name[:_MAX_NAME], reason))
            continue
        if name in chosen:
            skipped.append(Skipped(name, "occurs again later in the archive"))
        chosen[name] = Member(name, member.size, member.position, None)
    return sorted(chosen.values(), key=lambda member: member.name.split("/")), skipped


def _is_hidden(parts: Sequence[str]) -> bool:
    return parts[0] == "__MACOSX" or any(part.startswith(".") and part != ".." for part in parts)


def _name_refusal(name: str, parts: Sequence[str]) -> str | None:
    if name.startswith("/") or parts[0].endswith(":"):
        return "absolute path"
    if ".." in parts:
        return "path leaves the archive"
    if "\0" in name or len(name) > _MAX_NAME:
        return "not a path"
    return f"more than {_MAX_FOLDERS} folders deep" if len(parts) > _MAX_FOLDERS else None


def _size_refusal(size: int) -> str | None:
    return None if 0 <= size <= MAX_BYTES else f"{size:,} bytes; the limit is {MAX_BYTES:,}"


def _without_shared_folders(names: Sequence[str]) -> list[str]:
    """Names without the folders that all images share, as long as each keeps at least one folder."""
    parts = [name.split("/") for name in names]
    while (
        all(len(part) > 1 for part in parts)
        and len({part[0] for part in parts}) == 1
        and any(len(part) > 2 for part in parts)
        and not split_of(parts[0][0])
    ):
        parts = [part[1:] for part in parts]
    return ["/".join(part) for part in parts]
