"""JPEG files: read at a smaller size, and read when nothing but the end marker is missing."""

import re
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import numpy as np
from PIL import Image, JpegImagePlugin

_END = b"\xff\xd9"
_RESTARTS = tuple(bytes([0xFF, 0xD0 + number]) for number in range(8))
# Three continuations of a scan. The second and third go on in each restart interval, in case the cut is between two.
_CONTINUATIONS = (
    b"",
    b"".join(b"\xaa" * 16 + marker for marker in _RESTARTS) * 8,
    b"".join(b"\x55" * 16 + marker for marker in _RESTARTS) * 8,
)
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_FRAME = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_START_OF_SCAN = 0xDA
_NUM_COEFFICIENTS = 64
_BYTE_BITS, _JPEG_LS = 8, 0xF7
_LOSSLESS, _ARITHMETIC = "lossless JPEG", "JPEG with arithmetic coding"
_FRAMES = {
    **dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), _LOSSLESS),
    **dict.fromkeys((0xC9, 0xCA, 0xCD, 0xCE), _ARITHMETIC),
}
"""Kinds of JPEG by the marker of their frame; others are read."""


class _HasImage(Protocol):
    @property
    def image(self) -> Image.Image: ...


_Loaded = TypeVar("_Loaded", bound=_HasImage)


class JpegFile(JpegImagePlugin.JpegImageFile):
    """A JPEG file of which only pixels and orientation are wanted."""

    def _read_dpi_from_exif(self) -> None:
        """Nothing: Pillow would parse all of EXIF here, and fail where that is broken."""


def load_without_end(data: bytes, load: Callable[[bytes], _Loaded]) -> _Loaded | None:
    """The image in a JPEG file that lacks only its end marker; None if pixels are missing too.

    The decoder cannot tell whether it has seen all: it fills what is missing with gray. So the file is continued in three ways.
    If its scans are complete, nothing of that reaches a pixel.

    Args:
        data: The file.
        load: Loads the pixels of a file, and raises if that is impossible.
    """
    if not _has_all_scans(data):
        return None
    data = data.removesuffix(_END[:1])  # half of the marker; in a scan this byte is never alone
    loaded = load(data + _END)
    pixels = np.asarray(loaded.image)
    for continuation in _CONTINUATIONS[1:]:
        if not np.array_equal(pixels, np.asarray(load(data + continuation + _END).image)):
            return None
    return loaded


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker (its second byte), start and end of each segment with a length, in order; entropy-coded data is skipped.

    The start is that of the marker. The last segment may end behind the data.
    """
    position = 2
    while (found := _NEXT_MARKER.search(data, position)) is not None:
        start, marker = found.start(), data[found.start() + 1]
        if marker in (0xD8, 0x01):  # without a length
            position = start + 2
            continue
        if marker == _END[1] or start + 4 > len(data):
            return
        position = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        yield marker, start, position


def form_of_jpeg(data: bytes) -> str:
    """What is in a JPEG file whose kind is not read, and the cure; empty for another file, and if its header is damaged."""
    if not data.startswith(b"\xff\xd8\xff"):
        return ""
    for marker, start, _ in segments(data):
        if marker in _START_OF_FRAME or marker == _JPEG_LS:
            bits = data[start + 4] if start + 4 < len(data) else _BYTE_BITS
            kind = "JPEG-LS" if marker == _JPEG_LS else _FRAMES.get(marker, "JPEG")
            is_read = kind == "JPEG" and bits == _BYTE_BITS
            return (
                ""
                if is_read
                else f"a file of {kind} with {bits} bits per value, which is not read; convert it to PNG or TIFF"
            )
    return ""


def _has_all_scans(data: bytes) -> bool:
    """Whether scans with all components have begun, in a progressive file those of the last bit of all coefficients."""
    components = b""
    bits: dict[tuple[int, int], int] = {}
    for marker, start, end in segments(data):
        content = data[start + 4 : end]
        if end > len(data):
            return False
        if marker in _START_OF_FRAME and len(content) >= 6:
            components = content[6 : 6 + 3 * content[5] : 3]
        elif marker == _START_OF_SCAN and len(content) >= 6:
            count = content[0]
            first, last, low_bit = content[1 + 2 * count], content[2 + 2 * count], content[3 + 2 * count] & 15
            for component in content[1 : 1 + 2 * count : 2]:
                bits |= {(component, coefficient): low_bit for coefficient in range(first, last + 1)}
    wanted = {(component, coefficient) for component in components for coefficient in range(_NUM_COEFFICIENTS)}
    return bool(wanted) and all(bits.get(key) == 0 for key in wanted)
