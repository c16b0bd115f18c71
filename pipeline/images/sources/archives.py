"""Manifests of archives: class folders, or train/validation/test above them, in a .zip or .tar, read without unpacking.

No member is written under its own name, so none can overwrite another file; members that are not read are listed as skipped.
A compressed tar can only be read sequentially: its images go through a `Spool`.
"""

import bz2
import gzip
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from stat import S_IFMT, S_ISDIR, S_ISLNK, S_ISREG
from typing import BinaryIO, cast

from pipeline.errors import DataLayoutError
from pipeline.images.decode import MAX_BYTES
from pipeline.images.hashing import FileHashes
from pipeline.images.manifest import ImageBytes, Manifest, Skipped
from pipeline.images.sources.columns import Columns
from pipeline.images.sources.folders import NOT_UNICODE, has_image_extension, is_unicode
from pipeline.images.sources.spool import Spool
from pipeline.images.splits import SPLIT_NAMES, Fractions

EXTENSIONS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
# Encoded images shrink by a few per cent, a blank 24-bit bitmap by a factor of a few hundred.
MAX_RATIO = 200
# Of smaller members the ratio is not checked.
_SMALL_BYTES = 2**20
_MAX_FOLDERS = 32
_MAX_NAME = 4096
_MAX_HEADER = 2**20
_ZIP_HEADER = struct.Struct("<4s22xHH")
_DAMAGE = (
    *(zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, struct.error),
    *(OSError, EOFError, ValueError, RuntimeError),
)
_COMPRESSED: dict[bytes, Callable[[Path], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}


@dataclass(frozen=True)
class _Member:
    """A file in an archive."""

    name: str
    """As in the archive; normalized (`a/b.jpg`) once the member is chosen."""

    size: int
    """Bytes, unpacked."""

    position: int
    """In a zip: its number in the directory. In a tar: offset of its content in the unpacked bytes."""

    refusal: str | None
    """Why it is not read; None if it is."""


@dataclass(frozen=True)
class _Packed:
    """Entry of a member in the directory of a zip."""

    header: int
    """Offset of the member's header, which its content follows."""

    packed_size: int
    size: int
    crc32: int
    is_deflated: bool


@dataclass(frozen=True)
class ZipImages:
    """Images that are members of a zip.

    `zipfile` reads the directory. It does not read the members, because it reads them through one file under a lock
    (35 % slower with 8 threads on images of 5 kB, and one request at a time on a network drive), keeps 590 bytes per
    member (120 here), and parallel reads gave wrong bytes in Python 3.12 and 3.13 (python/cpython#127847).
    """

    path: Path
    members: tuple[_Packed, ...]

    def read(self, position: int) -> bytes:
        member = self.members[position]
        with self.path.open("rb") as file:
            header = _piece(file, member.header, _ZIP_HEADER.size)
            magic, name_size, extra_size = _ZIP_HEADER.unpack(header)
            packed = _piece(file, member.header + len(header) + name_size + extra_size, member.packed_size)
        try:
            # One byte more than declared: a longer member is detected without unpacking all of it.
            data = zlib.decompressobj(-15).decompress(packed, member.size + 1) if member.is_deflated else packed
        except zlib.error as error:
            raise OSError(f"damaged in the archive: {error}") from error
        if magic != b"PK\3\4" or len(data) != member.size or zlib.crc32(data) != member.crc32:
            raise OSError("damaged in the archive: its content differs from the directory's size or checksum")
        return data


@dataclass(frozen=True)
class TarImages:
    """Images that are members of an uncompressed tar: sections of one file."""

    path: Path
    pieces: tuple[tuple[int, int], ...]
    """Offset and size in bytes of each image."""

    def read(self, position: int) -> bytes:
        offset, size = self.pieces[position]
        with self.path.open("rb") as file:
            return _piece(file, offset, size)


def is_archive(path: Path) -> bool:
    """Whether the file name has the extension of an archive."""
    return path.name.lower().endswith(EXTENSIONS)


def scan_archive(
    path: Path, *, fractions: Fractions, split_seed: int, hashes: FileHashes, home: Path, progress: bool
) -> Manifest:
    """The manifest that the unpacked archive would have, in the order of its sorted names.

    Folders that all images share (`photos/` of `photos/cats/1.jpg`) are left out of the names, except folders of
    splits. Links, devices, encrypted members, names that lead out of the archive, and members compressed as strongly as
    only decompression bombs are, are skipped. If a name occurs twice the last member is used, as when unpacking.

    Raises:
        DataLayoutError: The archive is damaged, or contains no image.
    """
    try:
        members, make_images = _list_zip(path) if path.name.lower().endswith(".zip") else _list_tar(path, home)
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
    digests = hashes.member_digests(path, [member.name for member in chosen], images.read, progress=progress)
    title = next(path.name[: -len(ending)] for ending in EXTENSIONS if path.name.lower().endswith(ending))
    columns = Columns.of_paths(names, skipped)
    return columns.manifest(images, digests, fractions=fractions, split_seed=split_seed, title=title)


def _choose(members: Sequence[_Member]) -> tuple[list[_Member], list[Skipped]]:
    """Image members with normalized names, sorted like those of a folder, and the members that are skipped."""
    chosen: dict[str, _Member] = {}
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
        chosen[name] = _Member(name, member.size, member.position, None)
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
        and parts[0][0].lower() not in SPLIT_NAMES
    ):
        parts = [part[1:] for part in parts]
    return ["/".join(part) for part in parts]


_Listing = tuple[list[_Member], Callable[[Sequence[_Member]], ImageBytes]]


def _list_zip(path: Path) -> _Listing:
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    size = path.stat().st_size
    if any(not 0 <= entry.header_offset < size for entry in entries):
        raise zipfile.BadZipFile("its directory has an offset beyond its end")
    if sum(entry.compress_size for entry in entries) > size:
        raise zipfile.BadZipFile("its members overlap, as in a decompression bomb")
    members = [
        # Some programs on Windows write backslashes.
        _Member(entry.filename.replace("\\", "/"), entry.file_size, position, _zip_refusal(entry))
        for position, entry in enumerate(entries)
        if not entry.is_dir()
    ]

    def make_images(chosen: Sequence[_Member]) -> ImageBytes:
        return ZipImages(path, tuple(_packed(entries[member.position]) for member in chosen))

    return members, make_images


def _packed(entry: zipfile.ZipInfo) -> _Packed:
    is_deflated = entry.compress_type == zipfile.ZIP_DEFLATED
    return _Packed(entry.header_offset, entry.compress_size, entry.file_size, entry.CRC, is_deflated)


def _zip_refusal(entry: zipfile.ZipInfo) -> str | None:
    mode = entry.external_attr >> 16
    if S_ISLNK(mode):
        return "symbolic link"
    if S_IFMT(mode) and not (S_ISREG(mode) or S_ISDIR(mode)):
        return "not a regular file"
    if entry.flag_bits & 1:
        return "encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"compressed by method {entry.compress_type}; only stored and deflated members are read"
    if entry.file_size > max(_SMALL_BYTES, MAX_RATIO * entry.compress_size):
        return f"refused as a decompression bomb: {entry.file_size:,} bytes in {entry.compress_size:,}"
    return None


def _list_tar(path: Path, home: Path) -> _Listing:
    file, is_compressed = _open_tar(path)
    with closing(file):
        limit = max(64 * _SMALL_BYTES, MAX_RATIO * path.stat().st_size)
        members = [
            _Member(entry.name, entry.size, entry.offset_data, _tar_refusal(entry))
            for entry in _tar_entries(_Headers(file, limit))
            if not entry.isdir()
        ]

    def make_images(chosen: Sequence[_Member]) -> ImageBytes:
        pieces = tuple((member.position, member.size) for member in chosen)
        return Spool(partial(_unpacked, path, pieces), home) if is_compressed else TarImages(path, pieces)

    return members, make_images


def _tar_refusal(entry: tarfile.TarInfo) -> str | None:
    if entry.issym() or entry.islnk():
        return "symbolic link" if entry.issym() else "hard link"
    return None if entry.isreg() and not entry.issparse() else "not a regular file"


def _open_tar(path: Path) -> tuple[BinaryIO, bool]:
    """A file object of the uncompressed bytes of a tar, and whether the tar is compressed."""
    with path.open("rb") as file:
        start = file.read(6)
    for magic, opener in _COMPRESSED.items():
        if start.startswith(magic):
            return cast("BinaryIO", opener(path)), True
    return path.open("rb"), False


@dataclass
class _Headers:
    """The file object that `tarfile` reads headers from: forward only, and up to a limit that no valid archive reaches."""

    file: BinaryIO
    limit: int
    """Unpacked bytes in total."""

    last: bytes = b""
    """The bytes of the last read."""

    def read(self, size: int) -> bytes:
        if size > _MAX_HEADER:
            raise tarfile.ReadError(f"a header of {size:,} bytes")
        self.last = self.file.read(size)
        return self.last

    def tell(self) -> int:
        return self.file.tell()

    def seek(self, offset: int) -> None:
        if offset < self.file.tell():
            raise tarfile.ReadError("a member of negative size")
        if offset > self.limit:
            raise tarfile.ReadError(f"more than {self.limit:,} bytes unpacked, as a decompression bomb has")
        self.file.seek(offset)


def _tar_entries(headers: _Headers) -> Iterator[tarfile.TarInfo]:
    try:
        archive = tarfile.TarFile(fileobj=cast("BinaryIO", headers))
        while (entry := archive.next()) is not None:
            yield entry
            archive.members.clear()  # type: ignore[attr-defined]  # otherwise tarfile keeps all of them
    except RecursionError:
        raise tarfile.ReadError("endlessly nested headers") from None
    # tarfile ends without an error at an invalid header.
    if headers.last.strip(b"\0"):
        raise tarfile.ReadError("a damaged header")


def _unpacked(path: Path, pieces: Sequence[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
    """Position and bytes of each image of a compressed tar, in the order of the archive."""
    file, _ = _open_tar(path)
    with closing(file):
        try:
            for position in sorted(range(len(pieces)), key=lambda position: pieces[position]):
                yield position, _piece(file, *pieces[position])
        except _DAMAGE as error:
            raise OSError(f"damaged in the archive: {error}") from error


def _piece(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise OSError(f"the archive is truncated: {len(data):,} of {size:,} bytes")
    return data
