"""Members of a .zip."""

import struct
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from stat import S_IFMT, S_ISDIR, S_ISLNK, S_ISREG
from typing import BinaryIO

from pipeline.images.files.kinds import HEAD_BYTES
from pipeline.images.files.limits import MAX_RATIO, SMALL_BYTES
from pipeline.images.manifest import ImageBytes
from pipeline.images.sources.archives.members import Listing, Member, other_member, read_piece
from pipeline.images.sources.archives.zipnames import decode_names

_HEADER = struct.Struct("<4s22xHH")
_METHODS = {6: "Implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 98: "PPMd"}


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
        DataLayoutError: The encoding of its names is unknown.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    size = path.stat().st_size
    if any(not 0 <= entry.header_offset < size for entry in entries):
        raise zipfile.BadZipFile("its directory has an offset beyond its end")
    if sum(entry.compress_size for entry in entries) > size:
        raise zipfile.BadZipFile("its members overlap, as in a decompression bomb")
    names, warnings = decode_names(path, entries)
    with path.open("rb") as file:
        members = [
            _member(file, entry, name, position)
            for position, (entry, name) in enumerate(zip(entries, names, strict=True))
            if not name.endswith("/")
        ]

    def make_images(chosen: Sequence[Member]) -> ImageBytes:
        return ZipImages(path, tuple(_packed(entries[member.position]) for member in chosen))

    return Listing(members, make_images, warnings)


def _member(file: BinaryIO, entry: zipfile.ZipInfo, name: str, position: int) -> Member:
    refusal = _refusal(entry)
    other = None if refusal else other_member(name, lambda: _read_head(file, _packed(entry)))
    return Member(name, entry.file_size, position, refusal, other)


def _read_head(file: BinaryIO, member: _Packed) -> bytes:
    """The first unpacked bytes of a member; none if it is damaged."""
    try:
        header = read_piece(file, member.header, _HEADER.size)
        _, name_size, extra_size = _HEADER.unpack(header)
        start = member.header + len(header) + name_size + extra_size
        # Even bytes that do not shrink at all are as many when deflated, and a few more.
        packed = read_piece(file, start, min(member.packed_size, 2 * HEAD_BYTES))
        return zlib.decompressobj(-15).decompress(packed, HEAD_BYTES) if member.is_deflated else packed[:HEAD_BYTES]
    except (OSError, zlib.error):
        return b""


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
        return "encrypted; make the archive without a password, or unpack it"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        method = _METHODS.get(entry.compress_type, f"method {entry.compress_type}")
        return f"compressed by {method}, which is not read; make the archive again with Deflate, or unpack it"
    if entry.file_size > max(SMALL_BYTES, MAX_RATIO * entry.compress_size):
        return f"refused as a decompression bomb: {entry.file_size:,} bytes in {entry.compress_size:,}"
    return None
