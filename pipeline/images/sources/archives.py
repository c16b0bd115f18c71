"""Manifests of archives: class folders, or train/validation/test above them, in a .zip or .tar, read in place.

Nothing of an archive is written under a name of its own, so no member can leave it; what is refused is listed.
A compressed tar can be read from front to back only: its images go through a `Spool`.
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
# Images shrink by a few per cent, a blank 24-bit bitmap by some hundred times.
MAX_RATIO = 200
# Below this, a ratio says nothing.
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
    """As the archive has it; `a/b.jpg` once it is accepted."""

    size: int
    """Bytes, unpacked."""

    place: int
    """Where it is: a number in the directory of a zip, an offset in the unpacked bytes of a tar."""

    refusal: str | None
    """Why it is not read."""


@dataclass(frozen=True)
class _Packed:
    """A member of a zip, as its directory describes it."""

    header: int
    """Offset of its own header, which its bytes follow."""

    packed_size: int
    size: int
    crc32: int
    is_deflated: bool


@dataclass(frozen=True)
class ZipImages:
    """Images that are members of a zip.

    The directory is read by `zipfile`, the members are not: its readers share one open file and count without a lock.
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
            # One byte more than it may have tells a member that lies about its size.
            data = zlib.decompressobj(-15).decompress(packed, member.size + 1) if member.is_deflated else packed
        except zlib.error as error:
            raise OSError(f"damaged in the archive: {error}") from error
        if magic != b"PK\3\4" or len(data) != member.size or zlib.crc32(data) != member.crc32:
            raise OSError("damaged in the archive: other bytes than its directory says")
        return data


@dataclass(frozen=True)
class TarImages:
    """Images that are members of a tar without compression: pieces of one file."""

    path: Path
    pieces: tuple[tuple[int, int], ...]
    """Offset and bytes of each image."""

    def read(self, position: int) -> bytes:
        offset, size = self.pieces[position]
        with self.path.open("rb") as file:
            return _piece(file, offset, size)


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive."""
    return path.name.lower().endswith(EXTENSIONS)


def scan_archive(
    path: Path, *, fractions: Fractions, split_seed: int, hashes: FileHashes, home: Path, progress: bool
) -> Manifest:
    """The manifest that the unpacked archive would have, in the order of its sorted names.

    Folders that all images share (`photos/` of `photos/cats/1.jpg`) are left out of the names, but for those of
    splits. Links, devices, encrypted members, names that would leave the archive and what only a decompression
    bomb needs are skipped. Where a name stands twice the last member counts, as when unpacking.

    Raises:
        DataLayoutError: The archive is damaged, or there is no image in it.
    """
    try:
        members, make_images = _list_zip(path) if path.name.lower().endswith(".zip") else _list_tar(path, home)
    except _DAMAGE as error:
        raise DataLayoutError(f"{path} is not an archive that can be read: {error}.") from error
    chosen, skipped = _choose(members)
    if not chosen:
        seen = f" {len(skipped)} members were refused, the first: {skipped[0]}." if skipped else ""
        raise DataLayoutError(
            f"No image in {path}.{seen} Expected one folder a class (cats/1.jpg), or train/validation/test folders above."
        )
    images = make_images(chosen)
    names = _without_shared_folders([member.name for member in chosen])
    digests = hashes.member_digests(path, [member.name for member in chosen], images.read, progress=progress)
    title = next(path.name[: -len(ending)] for ending in EXTENSIONS if path.name.lower().endswith(ending))
    columns = Columns.of_paths(names, skipped)
    return columns.manifest(images, digests, fractions=fractions, split_seed=split_seed, title=title)


def _choose(members: Sequence[_Member]) -> tuple[list[_Member], list[Skipped]]:
    """Image members by their normal names, sorted as a folder's are, and the ones refused."""
    chosen: dict[str, _Member] = {}
    skipped = []
    for member in members:
        if not is_unicode(member.name):
            skipped.append(Skipped(ascii(member.name), NOT_UNICODE))
            continue
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        # What is refused is told whatever its name ends with: a link may stand for a folder of images.
        if not parts or _is_hidden(parts) or not (member.refusal or has_image_extension(parts[-1])):
            continue
        name = "/".join(parts)
        reason = _name_refusal(member.name, parts) or member.refusal or _size_refusal(member.size)
        if reason:
            skipped.append(Skipped(member.name[:_MAX_NAME], reason))
            continue
        if name in chosen:
            skipped.append(Skipped(name, "stands in the archive again, further on"))
        chosen[name] = _Member(name, member.size, member.place, None)
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
    """Names without the folders that hold all images, for as long as folders remain below them."""
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
        raise zipfile.BadZipFile("its directory points out of it")
    if sum(entry.compress_size for entry in entries) > size:
        raise zipfile.BadZipFile("its members lie on top of each other, as those of a decompression bomb do")
    members = [
        # Some programs of Windows write their own separator.
        _Member(entry.filename.replace("\\", "/"), entry.file_size, place, _zip_refusal(entry))
        for place, entry in enumerate(entries)
        if not entry.is_dir()
    ]

    def make_images(chosen: Sequence[_Member]) -> ImageBytes:
        return ZipImages(path, tuple(_packed(entries[member.place]) for member in chosen))

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
        return f"packed by method {entry.compress_type}; only stored and deflated members are read"
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
        pieces = tuple((member.place, member.size) for member in chosen)
        return Spool(partial(_unpacked, path, pieces), home) if is_compressed else TarImages(path, pieces)

    return members, make_images


def _tar_refusal(entry: tarfile.TarInfo) -> str | None:
    if entry.issym() or entry.islnk():
        return "symbolic link" if entry.issym() else "hard link"
    return None if entry.isreg() and not entry.issparse() else "not a regular file"


def _open_tar(path: Path) -> tuple[BinaryIO, bool]:
    """The bytes of a tar, unpacked while they are read, and whether they had to be."""
    with path.open("rb") as file:
        start = file.read(6)
    for magic, opener in _COMPRESSED.items():
        if start.startswith(magic):
            return cast("BinaryIO", opener(path)), True
    return path.open("rb"), False


@dataclass
class _Headers:
    """What `tarfile` reads headers through: forward only, and no more than an honest archive takes."""

    file: BinaryIO
    limit: int
    """Of bytes in all."""

    last: bytes = b""
    """What was read last."""

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
            archive.members.clear()  # type: ignore[attr-defined]  # else all of them are kept
    except RecursionError:
        raise tarfile.ReadError("headers of headers without an end") from None
    # tarfile ends quietly at a header that it does not understand.
    if headers.last.strip(b"\0"):
        raise tarfile.ReadError("a damaged header")


def _unpacked(path: Path, pieces: Sequence[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
    """Positions and bytes of the images of a compressed tar, from front to back."""
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
        raise OSError(f"the archive ends within it: {len(data):,} of {size:,} bytes")
    return data
