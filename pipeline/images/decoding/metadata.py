"""Metadata of an image file: its orientation is read, and faults in the rest do not make the image unreadable."""

import zlib
from collections.abc import Iterator

from PIL import ExifTags, Image

from pipeline.images.decoding.jpeg import segments

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SWAPS_SIDES = frozenset(_TURNS[orientation] for orientation in (5, 6, 7, 8))
"""Turns after which width is height."""


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """What turns an image upright as its EXIF (or XMP) orientation says; None if it is upright, or its metadata is broken."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # noqa: BLE001 parsers of broken metadata raise anything, and no orientation costs an image
        return None


def without_metadata(data: bytes) -> bytes | None:
    """The same PNG, JPEG or WebP file without the parts that have nothing to do with its pixels or orientation.

    The parts that are kept are kept as they are. This is for files that cannot be read with all of their parts.

    Returns:
        None if there is nothing to leave out.
    """
    if data.startswith(_PNG):
        bare = _PNG + b"".join(_png_chunks(data))
    elif data.startswith(_JPEG):
        bare = _bare_jpeg(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        bare = _bare_webp(data)
    else:
        return None
    return bare if bare != data else None


def _png_chunks(data: bytes) -> Iterator[bytes]:
    """Critical chunks (upper case), transparency and EXIF; of the latter two only those whose checksum is right."""
    position = len(_PNG)
    while position + 8 <= len(data):
        name = data[position + 4 : position + 8]
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        is_kept = name in (b"tRNS", b"eXIf") and data[end - 4 : end] == zlib.crc32(
            data[position + 4 : end - 4]
        ).to_bytes(4, "big")
        if name[:1].isupper() or is_kept:
            yield data[position:end]
        position = end


def _bare_jpeg(data: bytes) -> bytes:
    """Without comments and application segments, except JFIF and Adobe (colours) and the first with EXIF."""
    parts, kept_to, has_exif = [], 0, False
    for marker, start, end in segments(data):
        if marker == 0xDA:
            break
        size = end - start - 4
        is_exif = marker == 0xE1 and data[start + 4 : start + 10] == b"Exif\0\0" and not has_exif
        has_exif = has_exif or is_exif
        is_colour = (marker == 0xE0 and size >= 14) or (marker == 0xEE and size >= 12)
        if (0xE0 <= marker <= 0xEF or marker == 0xFE) and not (is_exif or is_colour):
            parts.append(data[kept_to:start])
            kept_to = end
    return b"".join(parts) + data[kept_to:]


def _bare_webp(data: bytes) -> bytes:
    """The chunks of the pixels; the header's flags say what is left, and its size what there is."""
    parts, position = [], 12
    while position + 8 <= len(data):
        name = data[position : position + 4]
        end = position + 8 + int.from_bytes(data[position + 4 : position + 8], "little")
        chunk = data[position : end + end % 2]
        if name == b"VP8X" and len(chunk) > 8:
            parts.append(chunk[:8] + bytes([chunk[8] & 0b00010010]) + chunk[9:])  # alpha and animation
        elif name in (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"):
            parts.append(chunk)
        position = end + end % 2
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + len(body).to_bytes(4, "little") + body
