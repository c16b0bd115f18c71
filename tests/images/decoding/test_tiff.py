"""TIFF files that would be misread, or are not read: each is named with its cure."""

import struct

import pytest

from pipeline.errors import UnreadableImageError
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.decoding.tiff import form_of

BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, FORMAT = 258, 259, 262, 277, 339


def tiff(bits: int = 8, samples: int = 1, pixels: bytes = bytes(64), **other: int) -> bytes:
    """A TIFF of 2 x 2 pixels with the values of its tags."""
    tags = {256: 2, 257: 2, COMPRESSION: 1, PHOTOMETRIC: 1, 273: 0, SAMPLES: samples, 278: 2, 279: len(pixels)}
    tags |= {
        {"photometric": PHOTOMETRIC, "form": FORMAT, "compression": COMPRESSION}[name]: value
        for name, value in other.items()
    }
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
    ],
)
def test_others_are_read_as_they_were(data, gray):
    """White is 0 in 8 bits, as scanners write it; 16 bits with and without a sign."""
    assert Decoder(2).decode(data).max() == Decoder(2).decode(data).min() == gray


@pytest.mark.parametrize("data", [b"", b"II*\0\x99", b"II*\0\xff\xff\xff\xff", tiff()[:30]])
def test_nothing_is_said_of_a_damaged_directory(data):
    """The caller calls the file damaged."""
    assert form_of(data) == ""
