"""HEIC images, with the extra that reads them."""

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.images.decoding import heif
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.files.kinds import other_kind

pytest.importorskip("pillow_heif")


def encode(image: Image.Image, **options: object) -> bytes:
    """A HEIC file, as phones write it."""
    stream = io.BytesIO()
    image.save(stream, "HEIF", **options)
    return stream.getvalue()


def test_heic_is_an_image_with_the_extra():
    """It has the pixels that were written, as far as the compression keeps them."""
    data = encode(Image.new("RGB", (40, 30), (200, 30, 90)), quality=95)

    assert heif.FORMATS == ("HEIF",)
    assert other_kind("IMG_1.HEIC", data) is None
    assert np.abs(Decoder(8).decode(data).astype(int) - (200, 30, 90)).max() <= 6


def test_heic_is_turned_upright_once():
    """The library turns it as the file says; the decoder does not turn it again."""
    upright = Image.new("RGB", (60, 40), "black")
    upright.paste("white", (0, 0, 60, 20))  # the upper half
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    pixels = Decoder(8).decode(encode(turned, exif=exif.tobytes()))

    assert pixels[1].mean() > 200
    assert pixels[6].mean() < 50
