"""Members of a .zip."""

import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_IFMT, S_ISDIR, S_ISLNK, S_ISREG

from pipeline.images.manifest import ImageBytes
from pipeline.images.sources.members import MAX_RATIO, SMALL_BYTES, Listing, Member, read_piece

_HEADER = struct.Struct("<4s22xHH")


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
            header = read_piece(file, member.header, _HEADER.size)
            magic, name_size, extra_size = _HEADER.unpack(header)
            packed = read_piece(file, member.header + len(header) + name_size + extra_size, member.packed_size)
        try:
            # One byte more than declared: a longer member is detected without unpacking all of it.
            data = zlib.decompressobj(-15).decompress(packed, member.size + 1) if member.is_deflated else packed
        except zlib.error as error:
            raise OSError(f"damaged in the archive: {error}") from error
        if magic != b"PK\3\4" or len(data) != member.size or zlib.crc32(data) != member.crc32:
            raise OSError("damaged in the archive: its content differs from the directory's size or checksum")
        return data


def list_zip(path: Path) -> Listing:
    """The members of a zip.

    Raises:
        zipfile.BadZipFile: Its directory is invalid.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    size = path.stat().st_size
    if any(not 0 <= entry.header_offset < size for entry in entries):
        raise zipfile.BadZipFile("its directory has an offset beyond its end")
    if sum(entry.compress_size for entry in entries) > size:
        raise zipfile.BadZipFile("its members overlap, as in a decompression bomb")
    members = [
        # Some programs on Windows write backslashes.
        Member(entry.filename.replace("\\", "/"), entry.file_size, position, _refusal(entry))
        for position, entry in enumerate(entries)
        if not entry.is_dir()
    ]

    def make_images(chosen: Sequence[Member]) -> ImageBytes:
        return ZipImages(path, tuple(_packed(entries[member.position]) for member in chosen))

    return members, make_images


def _packed(entry: zipfile.ZipInfo) -> _Packed:
    is_deflated = entry.compress_type == zipfile.ZIP_DEFLATED
    return _Packed(entry.header_offset, entry.compress_size, entry.file_size, entry.CRC, is_deflated)


def _refusal(entry: zipfile.ZipInfo) -> str | None:
    mode = entry.external_attr >> 16
    if S_ISLNK(mode):
        return "symbolic link"
    if S_IFMT(mode) and not (S_ISREG(mode) or S_ISDIR(mode)):
        return "not a regular file"
    if entry.flag_bits & 1:
        return "encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"compressed by method {entry.compress_type}; only stored and deflated members are read"
    if entry.file_size > max(SMALL_BYTES, MAX_RATIO * entry.compress_size):
        return f"refused as a decompression bomb: {entry.file_size:,} bytes in {entry.compress_size:,}"
    return None
