"""Decoding images inside a graph."""

import functools
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pipeline.exports.decoding import can_decode, decode_batch
from pipeline.images.decoding.decoder import RESIZE_METHODS, Decoder
from tests.images.samples import png_of_sixteen_bits

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


def save(image, kind, **settings):
    """The bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, kind, **settings)
    return stream.getvalue()


def decode(files, decoder):
    """Decode as a served graph does."""
    return graph_of(decoder)(tf.constant(files)).numpy()


@functools.cache
def graph_of(decoder):
    """Traced once for all files: that takes longer than decoding them."""
    return tf.function(
        lambda encoded: decode_batch(encoded, decoder), input_signature=[tf.TensorSpec((None,), tf.string)]
    )


VERSION_1 = Decoder(24, background="drop", version=1)


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

    assert can_decode(data, decoder)
    np.testing.assert_array_equal(decode([data], decoder)[0], decoder.decode(data))


@pytest.mark.parametrize(("fit", "method"), [("crop", "lanczos"), ("pad", "lanczos"), ("pad", "nearest")])
def test_aspect_ratio_is_kept_as_by_pillow(fit, method):
    """Cropped and padded images are the same, bit for bit, also where one side becomes a single pixel."""
    decoder, files = (
        Decoder(24, method, fit=fit, background="#0a64c8"),
        [encode(shape) for shape in [*SHAPES, (200, 3)]],
    )

    np.testing.assert_array_equal(decode(files, decoder), np.stack([decoder.decode(data) for data in files]))


@pytest.mark.parametrize("decoder", [Decoder(24), Decoder(24, fit="crop"), Decoder(24, fit="pad"), VERSION_1])
def test_large_jpegs_are_decoded_at_the_same_scale(decoder):
    """At each of the four scales, and just above and below the size where the scale changes."""
    shapes = [(95, 95), (96, 96), (97, 300), (192, 191), (192, 193), (383, 500), (384, 800), (1000, 390)]
    files = [encode(shape, progressive=shape[0] % 2 == 0) for shape in shapes]

    np.testing.assert_array_equal(decode(files, decoder), np.stack([decoder.decode(data) for data in files]))


@pytest.mark.parametrize("background", ["#ffffff", "#0a64c8", "drop"])
def test_transparent_images_are_composed_as_by_pillow(background):
    """PNG with alpha, a palette with transparency and a transparent colour, and WebP."""
    opaque = Image.open(io.BytesIO(encode((30, 40), "PNG")))
    image = opaque.copy()
    image.putalpha(Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40)).astype(np.uint8)))
    files = [
        save(image, "PNG"),
        save(image.convert("LA"), "PNG"),
        save(image, "WEBP", lossless=True, exact=True),
        save(opaque.quantize(16), "PNG", transparency=bytes(range(0, 256, 16))),
        save(opaque, "PNG", transparency=opaque.getpixel((3, 3))),
    ]
    decoder = Decoder(24, background=background)

    np.testing.assert_array_equal(decode(files, decoder), np.stack([decoder.decode(data) for data in files]))


@pytest.mark.parametrize("decoder", [Decoder(24), VERSION_1])
@pytest.mark.parametrize("highest", [200, 1000, 4095, 10_000, 65_535])
def test_sixteen_bits_are_judged_as_by_pillow(highest, decoder):
    """Gray and colours of each range."""
    values = np.random.default_rng(0).integers(0, highest + 1, (30, 40, 3)).astype(np.uint16)
    values[3, 3] = highest
    files = [save(Image.fromarray(values[..., 0]), "PNG"), png_of_sixteen_bits(values)]

    np.testing.assert_array_equal(decode(files, decoder), np.stack([decoder.decode(data) for data in files]))


def test_gif_with_transparent_pixels_is_refused():
    """TensorFlow makes them black; a wrong answer is never given."""
    data = save(Image.new("P", (9, 9), 1), "GIF", transparency=1)

    assert not can_decode(data, Decoder(24))


def test_other_bytes_cannot_be_decoded():
    """Formats that only Pillow reads, an animation, a truncated file, and no bytes."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8)).save(stream, "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8), "red")])

    assert can_decode(encode((40, 30)), Decoder(24))
    for data in (encode((40, 30), "BMP"), encode((40, 30), "TIFF"), stream.getvalue(), encode((40, 30))[:200], b""):
        assert not can_decode(data, Decoder(24))


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
