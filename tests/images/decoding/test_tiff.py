"""TIFF files that would be misread, or are not read: each is named with its cure."""

import struct
import zlib

import pytest

from pipeline.errors import UnreadableImageError
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.decoding.tiff import form_of

BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANES, EXTRA, FORMAT = 258, 259, 262, 277, 284, 338, 339
TAGS = {"photometric": PHOTOMETRIC, "form": FORMAT, "compression": COMPRESSION, "planes": PLANES, "extra": EXTRA}


def tiff(bits: int = 8, samples: int = 1, pixels: bytes = bytes(64), **other: int) -> bytes:
    """A TIFF of 2 x 2 pixels with the values of its tags."""
    tags = {256: 2, 257: 2, COMPRESSION: 1, PHOTOMETRIC: 1, 273: 0, SAMPLES: samples, 278: 2, 279: len(pixels)}
    tags |= {TAGS[name]: value for name, value in other.items()}
    start = 8 + 2 + 12 * (len(tags) + 1) + 4
    tags[273] = start + 2 * samples
    entries = {tag: struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in tags.items()}
    in_place = struct.pack("<HHIHH", BITS, 3, 1, bits, 0)
    entries[BITS] = in_place if samples == 1 else struct.pack("<HHII", BITS, 3, samples, start)
    directory = struct.pack("<H", len(entries)) + b"".join(entries[tag] for tag in sorted(entries)) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack(f"<{samples}H", *[bits] * samples) + pixels


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (tiff(form=2), "8-bit values with a sign have no known range"),
        (tiff(bits=16, photometric=0), "16-bit values in which 0 is white are not read; invert the image"),
        (
            tiff(samples=5),
            "a TIFF file with 5 values of 8 bits for each pixel, which is not read; export one of them as gray",
        ),
        (tiff(bits=32, samples=3, photometric=2, form=3), "a TIFF file with 3 floats of 32 bits for each pixel"),
        (
            tiff(bits=64, form=3),
            "a TIFF file with floats of 64 bits for each pixel, which is not read; convert it to 8",
        ),
        (tiff(compression=34887), "a TIFF file compressed by LERC, which is not read; save it with LZW or Deflate"),
        (tiff(compression=60000), "a TIFF file compressed by method 60000, which"),
        (tiff(16, 3, photometric=2, planes=2), "a TIFF file with 16 bits and each colour in a plane of its own"),
        (tiff(8, 3, photometric=8, planes=2), "a TIFF file with 8 bits and each colour in a plane of its own"),
        (
            tiff(16, 4, struct.pack("<16H", *range(3000, 3016)), photometric=2, extra=0),
            "fewer than 16 bits seem to be in use in a TIFF file of 16 bits with a fourth band beside the colours; export",
        ),
    ],
)
def test_file_that_is_not_read_is_described(data, reason):
    """It is not called damaged, and no other pixels than its own are made of it."""
    with pytest.raises(UnreadableImageError) as raised:
        Decoder(2).decode(data)

    assert str(raised.value).startswith(reason)


@pytest.mark.parametrize(
    ("data", "gray"),
    [
        (tiff(photometric=0, pixels=bytes([55] * 4)), 200),
        (tiff(bits=16, pixels=struct.pack("<4H", *[40000] * 4)), 156),
        (tiff(bits=16, form=2, pixels=struct.pack("<4h", *[2000] * 4)), 125),
        (tiff(16, 4, struct.pack("<16H", *[40000] * 16), photometric=2, extra=0), 156),
    ],
)
def test_others_are_read_as_they_were(data, gray):
    """White is 0 in 8 bits, as scanners write it; 16 bits with and without a sign, and beside a fourth band."""
    assert Decoder(2).decode(data).max() == Decoder(2).decode(data).min() == gray


@pytest.mark.parametrize("data", [b"", b"II*\0\x99", b"II*\0\xff\xff\xff\xff", tiff()[:30]])
def test_nothing_is_said_of_a_damaged_directory(data):
    """The caller calls the file damaged."""
    assert form_of(data) == ""


def test_few_bits_in_compressed_planes_are_refused():
    """The lower bytes of such files cannot be read apart, so 16 levels would be left of 12 bits."""
    planes = [zlib.compress(struct.pack("<4H", *[value] * 4)) for value in (4000, 2000, 1000)]
    plain = tiff(16, 3, b"".join(planes), photometric=2, planes=2, compression=8)
    many = {273: [len(plain) + 24 + sum(map(len, planes[:k])) for k in range(3)], 279: list(map(len, planes))}
    data = bytearray(plain)
    for place, tag in enumerate(many):
        at = data.index(struct.pack("<HH", tag, 3), 10)
        data[at : at + 12] = struct.pack("<HHII", tag, 4, 3, len(plain) + 12 * place)
    data += b"".join(struct.pack("<3I", *values) for values in many.values()) + b"".join(planes)

    with pytest.raises(UnreadableImageError, match="16 bits with each colour in a plane of its own; save it with the"):
        Decoder(2).decode(bytes(data))
