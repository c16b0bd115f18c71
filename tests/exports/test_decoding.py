"""Decoding images inside a graph."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.exports.decoding import can_decode, decode_batch
from pipeline.images.decode import RESIZE_METHODS, Decoder

SHAPES = [(50, 40), (40, 50), (90, 31), (31, 90), (24, 24), (24, 60), (60, 24), (7, 9), (300, 100), (101, 77)]


def encode(shape, kind="JPEG", **settings):
    """A smooth image of this height and width, with noise."""
    rng = np.random.default_rng(sum(shape))
    coarse = Image.fromarray(rng.integers(0, 256, (5, 4, 3)).astype(np.uint8)).resize(
        shape[::-1], Image.Resampling.BICUBIC
    )
    pixels = np.clip(np.asarray(coarse) + rng.normal(0, 20, (*shape, 3)), 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert("L") if settings.pop("gray", False) else image).save(stream, kind, **settings)
    return stream.getvalue()


def decode(files, decoder):
    """Decode as a served graph does."""
    function = tf.function(
        lambda encoded: decode_batch(encoded, decoder), input_signature=[tf.TensorSpec((None,), tf.string)]
    )
    return function(tf.constant(files)).numpy()


@pytest.mark.parametrize("method", RESIZE_METHODS)
def test_pixels_are_those_of_pillow(method):
    """Bit for bit, for every filter and for images smaller or larger than the input, tall or wide."""
    decoder, files = Decoder(24, method), [encode(shape) for shape in SHAPES]

    np.testing.assert_array_equal(decode(files, decoder), np.stack([decoder.decode(data) for data in files]))


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("PNG", {}), ("PNG", {"gray": True}), ("JPEG", {"gray": True}), ("GIF", {}), ("WEBP", {"lossless": True})],
)
def test_other_formats_are_read(kind, settings):
    """Their pixels are Pillow's too."""
    data, decoder = encode((40, 30), kind, **settings), Decoder(24)

    assert can_decode(data)
    np.testing.assert_array_equal(decode([data], decoder)[0], decoder.decode(data))


def test_other_bytes_cannot_be_decoded():
    """Formats that only Pillow reads, an animation, a truncated file, and no bytes."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8), "red")])

    assert can_decode(encode((40, 30)))
    for data in (encode((40, 30), "BMP"), encode((40, 30), "TIFF"), stream.getvalue(), encode((40, 30))[:200], b""):
        assert not can_decode(data)


@pytest.mark.parametrize("endian", "<>")
@pytest.mark.parametrize("exif", [True, False])
def test_images_are_turned_upright(exif, endian):
    """For all eight orientations of EXIF, in both byte orders, and for invalid values; or not at all, as the decoder says."""
    files = []
    for orientation in range(10):
        tags = Image.Exif()
        tags[0x0112] = orientation
        tags.endian = endian
        files.append(encode((40, 30), exif=tags))
    decoder = Decoder(24, exif=exif)
    received = decode(files, decoder)

    np.testing.assert_array_equal(received, np.stack([decoder.decode(data) for data in files]))
    assert len(np.unique(received, axis=0)) == (8 if exif else 1)
