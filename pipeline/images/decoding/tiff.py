"""TIFF files that Pillow does not read, or would read as something else: what is in them, in words."""

import io
from collections.abc import Mapping
from typing import Any

from PIL import TiffImagePlugin
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COMPRESSION,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    SAMPLESPERPIXEL,
)

_COMPRESSIONS = {
    34712: "JPEG 2000",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34887: "LERC",
    34661: "JBIG",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_WHITE_IS_ZERO, _LAB = 0, 8
_APART = 2
_UNCOMPRESSED = 1
_SIGNED, _FLOAT, _COMPLEX = 2, 3, (5, 6)
_BIG = 43
_BYTE_BITS = 8
TOGETHER = "save it with the colours of each pixel together (GDAL: INTERLEAVE=PIXEL), or as PNG"
"""The cure for planes."""


def misread_reason(tags: Mapping[int, Any]) -> str:
    """Why a TIFF file is refused although Pillow opens it: its pixels would be others than those that it shows; empty if it is read.

    Pillow takes 8 bits with a sign for values without, and 16 bits in which 0 is white for values in which 0 is black. Of colours in
    planes of their own it reads 16 bits as 8 where they are not compressed, and those of LAB with the wrong sign.
    """
    bits, kinds = _values(tags, BITSPERSAMPLE, 1), _values(tags, SAMPLEFORMAT, 1)
    if set(kinds) == {_SIGNED} and max(bits) <= _BYTE_BITS:
        return "8-bit values with a sign have no known range; convert the image to 8 bits without a sign"
    if tags.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO and max(bits) > _BYTE_BITS:
        return f"{max(bits)}-bit values in which 0 is white are not read; invert the image and save it with 0 as black"
    is_lab, is_plain = tags.get(PHOTOMETRIC_INTERPRETATION) == _LAB, tags.get(COMPRESSION, 1) == _UNCOMPRESSED
    if are_apart(tags) and (is_lab or (is_plain and max(bits) > _BYTE_BITS)):
        return f"a TIFF file with {max(bits)} bits and each colour in a plane of its own, which is not read; {TOGETHER}"
    return ""


def are_apart(tags: Mapping[int, Any]) -> bool:
    """Whether each colour is in a plane of its own, and not with the others of a pixel."""
    return bool(tags.get(PLANAR_CONFIGURATION) == _APART)


def form_of(data: bytes) -> str:
    """What is in a TIFF file that Pillow does not read, and the cure; empty if its tags cannot be read either."""
    try:
        tags = _tags_of(data)
        return _form_of_tags(tags) if tags else ""
    except Exception:  # noqa: BLE001 parsers of broken tags raise anything, and the caller has another word for these files
        return ""


def _tags_of(data: bytes) -> Mapping[int, Any]:
    """The tags of the first page."""
    file = io.BytesIO(data)
    tags = TiffImagePlugin.ImageFileDirectory_v2(data[: 16 if _BIG in data[2:4] else 8])
    file.seek(tags.next)
    tags.load(file)
    return tags


def _form_of_tags(tags: Mapping[int, Any]) -> str:
    packed = tags.get(COMPRESSION, 1)
    if packed not in TiffImagePlugin.COMPRESSION_INFO or packed in _COMPRESSIONS:
        name = _COMPRESSIONS.get(packed, f"method {packed}")
        return f"a TIFF file compressed by {name}, which is not read; save it with LZW or Deflate, or as PNG"
    bits, count = max(_values(tags, BITSPERSAMPLE, 1)), int(tags.get(SAMPLESPERPIXEL, 1))
    kind = max(_values(tags, SAMPLEFORMAT, 1))
    values = "floats" if kind == _FLOAT else "complex numbers" if kind in _COMPLEX else "values"
    cure = (
        "convert it to 8 or 16 bits"
        if count == 1 or values != "values"
        else "export one of them as gray, or three as RGB"
    )
    many = f"{count} {values}" if count > 1 else values
    return f"a TIFF file with {many} of {bits} bits for each pixel, which is not read; {cure}"


def _values(tags: Mapping[int, Any], tag: int, default: int) -> tuple[int, ...]:
    found = tags.get(tag, default)
    return tuple(map(int, found)) if isinstance(found, tuple | list) else (int(found),)
