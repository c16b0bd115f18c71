"""Image files made byte by byte, for what Pillow does not write."""

import struct
import zlib

import numpy as np

PNG = b"\x89PNG\r\n\x1a\n"


def png_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG file, with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_of(header: tuple[int, int, int, int], lines: list[bytes], before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG of this width, height, depth and colour type, with other chunks before and after its pixels."""
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + line for line in lines), level=1))
    return PNG + head + before + pixels + after + png_chunk(b"IEND", b"")


def png_of_sixteen_bits(values, before: bytes = b"") -> bytes:
    """A PNG of uint16 values, (H, W, 2), (H, W, 3) or (H, W, 4)."""
    height, width, channels = values.shape
    colour = {2: 4, 3: 2, 4: 6}[channels]
    return png_of((width, height, 16, colour), [line.astype(">u2").tobytes() for line in np.asarray(values)], before)
