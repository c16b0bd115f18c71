"""Members of a .tar, compressed or not."""

import bz2
import gzip
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.images.files.kinds import HEAD_BYTES
from pipeline.images.files.limits import MAX_RATIO, SMALL_BYTES
from pipeline.images.manifest import ImageBytes
from pipeline.images.sources.archives.members import Listing, Member, other_member, read_piece
from pipeline.images.sources.archives.spool import Spool

_MAX_HEADER = 2**20
_COMPRESSED: dict[bytes, Callable[[Path], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
_INCOMPLETE = "if it was cut off while it was downloaded or copied, get it again"
DAMAGE = (tarfile.TarError, lzma.LZMAError, zlib.error, struct.error, OSError, EOFError, ValueError, RuntimeError)
"""Errors of reading a damaged archive."""


@dataclass(frozen=True)
class TarImages:
    """Images that are members of an uncompressed tar: sections of one file."""

    path: Path
    pieces: tuple[tuple[int, int], ...]
    """Offset and size in bytes of each image."""

    def read(self, position: int) -> bytes:
        offset, size = self.pieces[position]
        with self.path.open("rb") as file:
            return read_piece(file, offset, size)


def list_tar(path: Path, home: Path) -> Listing:
    """The members of a tar.

    Args:
        path: The archive.
        home: Folder of the temporary file for the images of a compressed tar.

    Raises:
        tarfile.TarError: A header is invalid, or the archive is a decompression bomb; compressors raise their own errors.
    """
    file, is_compressed = _open_tar(path)
    with closing(file):
        limit = max(64 * SMALL_BYTES, MAX_RATIO * path.stat().st_size)
        headers = _Headers(file, limit)
        members = [_member(file, entry) for entry in _tar_entries(headers) if not entry.isdir()]
    warnings = () if headers.last else (f"{path.name} has no end mark, so files may be missing: {_INCOMPLETE}.",)

    def make_images(chosen: Sequence[Member]) -> ImageBytes:
        pieces = tuple((member.position, member.size) for member in chosen)
        return Spool(partial(_unpacked, path, pieces), home) if is_compressed else TarImages(path, pieces)

    return Listing(members, make_images, warnings)


def _member(file: BinaryIO, entry: tarfile.TarInfo) -> Member:
    refusal = _refusal(entry)
    # The headers lie between the contents, so a content's first bytes can be read on the way forward.
    other = None if refusal else other_member(entry.name, lambda: file.read(max(0, min(entry.size, HEAD_BYTES))))
    return Member(entry.name, entry.size, entry.offset_data, refusal, other)


def _refusal(entry: tarfile.TarInfo) -> str | None:
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
                yield position, read_piece(file, *pieces[position])
        except DAMAGE as error:
            raise OSError(f"damaged in the archive: {error}") from error
