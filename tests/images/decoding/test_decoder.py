"""Every kind of image file to pixels, and every kind of damage to a reason."""

import hashlib
import io
import math
import random
import struct
import warnings
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw

from pipeline.errors import SettingError, UnreadableImageError
from pipeline.images.decoding.decoder import (
    MAX_BYTES,
    RESIZE_METHODS,
    Decoder,
    encode_array,
    encode_image,
    make_thumbnail,
)
from pipeline.images.decoding.formats import MAX_PIXELS
from pipeline.images.decoding.pixels import FITS

ORIENTATION = 0x0112
SIDE = 16
UNDO_ORIENTATION = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}
"""How a camera stores an upright image for each orientation."""


def make_pixels(side: int = SIDE) -> np.ndarray:
    """A smooth image without any symmetry: red grows to the right, green downwards, blue is 40."""
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    return np.stack([np.tile(ramp, (side, 1)), np.tile(ramp[:, None], (1, side)), np.full((side, side), 40, "u1")], 2)


def encode(image, kind: str, **options) -> bytes:
    """The bytes of an image file."""
    stream = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(stream, kind, **options)
    return stream.getvalue()


def draw_photograph(size: tuple[int, int]) -> bytes:
    """A JPEG with what photographs have: smooth light, texture, and sharp edges in all directions."""
    dice = np.random.default_rng(0)
    image = Image.fromarray(dice.integers(0, 256, (6, 8, 3)).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    texture = Image.fromarray(dice.integers(0, 60, (size[1] // 4, size[0] // 4)).astype(np.uint8)).resize(size)
    draw = ImageDraw.Draw(image)
    for number in range(40):
        x, y = dice.integers(0, size[0]), dice.integers(0, size[1])
        reach = int(dice.integers(4, max(8, size[0] // 8)))
        colour = tuple(dice.integers(0, 256, 3).tolist())
        (draw.ellipse if number % 2 else draw.rectangle)((x, y, x + reach, y + reach), fill=colour)
    return encode(ImageChops.add(image, texture.convert("RGB")), "JPEG", quality=90)


def decode(data: bytes, side: int = SIDE, **settings) -> np.ndarray:
    """Pixels at the size they have, so that nothing is resized."""
    return Decoder(side, **settings).decode(data)


def png_header(width: int, height: int) -> bytes:
    """A PNG of some bytes that promises so many pixels."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\0"))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def npy(header: str, body: bytes = bytes(75)) -> bytes:
    """An `.npy` file with this header."""
    text = header.encode().ljust(-(-(len(header) + 11) // 64) * 64 - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("WEBP", {"lossless": True}),
        ("PPM", {}),
    ],
)
def test_lossless_formats_give_the_very_pixels(kind, options):
    """What a lossless file holds comes out bit by bit, in the order RGB."""
    pixels = decode(encode(make_pixels(), kind, **options))

    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, make_pixels())


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {"quality": 95}), ("JPEG", {"quality": 95, "progressive": True}), ("WEBP", {"quality": 95})],
)
def test_lossy_formats_are_close_to_the_pixels(kind, options):
    """A lossy file of good quality differs by a few levels."""
    difference = decode(encode(make_pixels(), kind, **options)).astype(int) - make_pixels()

    assert np.abs(difference).mean() < 4


def test_gif_gives_its_palette_colours():
    """A GIF of few colours is exact."""
    pixels = (make_pixels() > 127).astype(np.uint8) * 255

    np.testing.assert_array_equal(decode(encode(pixels, "GIF")), pixels)


def test_first_frame_of_an_animation_is_the_image():
    """The frames after the first do not matter."""
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in ("red", "blue", "lime")]

    for kind in ("GIF", "WEBP", "PNG", "TIFF", "AVIF"):
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
        assert Image.open(io.BytesIO(data)).n_frames == 3
        np.testing.assert_allclose(decode(data)[0, 0], (255, 0, 0), atol=3)


@pytest.mark.parametrize(
    ("image", "kind", "expected"),
    [
        (Image.new("L", (SIDE, SIDE), 77), "PNG", (77, 77, 77)),
        (Image.new("L", (SIDE, SIDE), 77), "BMP", (77, 77, 77)),
        (Image.new("1", (SIDE, SIDE), 1), "PNG", (255, 255, 255)),
        (Image.new("LA", (SIDE, SIDE), (77, 0)), "PNG", (255, 255, 255)),
        (Image.new("RGBA", (SIDE, SIDE), (10, 20, 30, 0)), "PNG", (255, 255, 255)),
        (Image.new("RGBA", (SIDE, SIDE), (10, 20, 30, 255)), "TIFF", (10, 20, 30)),
        (Image.new("CMYK", (SIDE, SIDE), (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
        (Image.new("CMYK", (SIDE, SIDE), (0, 255, 255, 0)), "JPEG", (255, 0, 0)),
        (Image.new("L", (SIDE, SIDE), 77), "JPEG", (77, 77, 77)),
        (Image.new("I;16", (SIDE, SIDE), 0x80FF), "PNG", (0x80, 0x80, 0x80)),
        (Image.new("I;16", (SIDE, SIDE), 0xFFFF), "TIFF", (255, 255, 255)),
        (Image.new("I;16B", (SIDE, SIDE), 0x80FF), "TIFF", (0x80, 0x80, 0x80)),
        (Image.new("I", (SIDE, SIDE), 0x80FF), "TIFF", (0x80, 0x80, 0x80)),
    ],
    ids=lambda value: f"{value.mode}" if isinstance(value, Image.Image) else None,
)
def test_every_mode_becomes_three_channels(image, kind, expected):
    """Gray is repeated, transparent pixels are white, CMYK is converted, 16 bits are scaled to 8."""
    pixels = decode(encode(image, kind))

    assert pixels.shape == (SIDE, SIDE, 3)
    np.testing.assert_allclose(pixels.reshape(-1, 3), np.tile(expected, (SIDE * SIDE, 1)), atol=3 * (kind == "JPEG"))


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 128, 255])])
def test_palette_gives_its_colours_where_transparency_is_dropped(transparency):
    """A palette's transparent entries keep their colour, without a warning."""
    image = Image.new("P", (SIDE, SIDE), 1)
    image.putpalette([9, 9, 9, 200, 100, 50, 1, 2, 3])
    data = encode(image, "PNG", **({} if transparency is None else {"transparency": transparency}))

    assert tuple(decode(data, background="drop")[3, 3]) == (200, 100, 50)


def test_float_pixels_are_refused():
    """Float pixels have no range that could be assumed."""
    with pytest.raises(UnreadableImageError, match="32-bit float pixels have no known range; convert the image"):
        decode(encode(Image.new("F", (SIDE, SIDE), 0.5), "TIFF"))


@pytest.mark.parametrize("orientation", UNDO_ORIENTATION)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation_is_applied(orientation, kind):
    """An image with an orientation is turned upright; without `exif` it stays as stored, except for TIFF."""
    stored = np.ascontiguousarray(UNDO_ORIENTATION[orientation](make_pixels()))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    data = encode(stored, kind, exif=exif, **({"quality": 95} if kind in ("JPEG", "WEBP") else {}))

    atol = 20 if kind in ("JPEG", "WEBP") else 0
    np.testing.assert_allclose(decode(data).astype(int), make_pixels(), atol=atol)
    as_stored = make_pixels() if kind == "TIFF" else stored
    np.testing.assert_allclose(decode(data, exif=False).astype(int), as_stored, atol=atol)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16"])
def test_exif_orientation_is_applied_in_every_mode(mode):
    """Images of other modes than RGB are turned as well."""
    ramp = np.arange(SIDE, dtype=np.uint16)[None].repeat(SIDE, 0) * (256 if mode == "I;16" else 1)
    image = Image.fromarray(ramp) if mode == "I;16" else Image.fromarray(ramp.astype(np.uint8)).convert(mode)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    pixels = decode(encode(image, "PNG", exif=exif))
    expected = np.arange(SIDE) * (16 if mode == "I;16" else 1)  # 12 bits are in use

    np.testing.assert_array_equal(pixels[:, 0, 0], expected)
    np.testing.assert_array_equal(pixels[:, -1, 0], expected)


@pytest.mark.parametrize("resize", RESIZE_METHODS)
@pytest.mark.parametrize("size", [(1, 1), (3, 50), (40, 30)])
def test_any_size_becomes_the_size_that_was_asked_for(resize, size):
    """The aspect ratio is not kept, and a single colour stays what it is."""
    pixels = Decoder(24, resize).decode(encode(Image.new("RGB", size, (200, 100, 50)), "PNG"))

    assert pixels.shape == (24, 24, 3)
    assert set(map(tuple, pixels.reshape(-1, 3))) == {(200, 100, 50)}


def test_shrinking_averages_but_for_nearest():
    """Stripes of one pixel become gray where the filter's support is scaled; `nearest` picks one of them."""
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    data = encode(stripes, "PNG")

    for method in ("bilinear", "bicubic", "lanczos", "box"):
        assert 100 < Decoder(8, method).decode(data)[:, 1:-1].mean() < 155
    assert set(Decoder(8, "nearest").decode(data).reshape(-1)) <= {0, 255}


def test_resizing_is_that_of_pillow():
    """Pixels are Pillow's own, so that other tools can make the same features."""
    data = encode(make_pixels(37), "PNG")
    expected = Image.open(io.BytesIO(data)).resize((20, 20), Image.Resampling.LANCZOS)

    np.testing.assert_array_equal(Decoder(20).decode(data), np.asarray(expected))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size_px": 0}, r"The size is a whole number of pixels from 1 to 9,459\. Received: 0\."),
        ({"size_px": 9460}, r"The size .* Received: 9460\."),
        ({"size_px": True}, r"The size .* Received: True\."),
        ({"size_px": 8, "resize": []}, r"The resize method .* Received: \[\]\."),
        ({"size_px": 8, "exif": 1}, r"`exif` must be true or false\. Received: 1\."),
        ({"size_px": 8, "fit": "fill"}, r"The fit is one of .*pad.*\. Received: 'fill'\."),
        ({"size_px": 8, "background": "white"}, r"background is #rrggbb in lower case, or drop\. Received: 'white'"),
        ({"size_px": 8, "background": "blurred"}, r"The background is the name of a colour .* Received: 'blurred'\."),
        ({"size_px": 8, "version": 3}, r"The decoder is one of \(1, 2\)\. Received: 3\."),
        ({"size_px": 8, "version": 1}, r"Decoder 1 .* Received: fit stretch, background #ffffff\. Use decoder 2\."),
        ({"size_px": 8, "max_pixels": 0}, r"The limit on pixels .* Received: 0\."),
        ({"size_px": 8, "resize": "cubic"}, r"The resize method is one of .*lanczos.*\. Received: 'cubic'\."),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    """A decoder is checked when it is made."""
    with pytest.raises(SettingError, match=message):
        Decoder(**settings)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("TIFF", {})]
)
def test_truncated_image_is_refused(kind, options, kept):
    """A truncated image is damaged: its lower part never becomes gray."""
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    data = encode(noise, kind, **options)

    with pytest.raises(UnreadableImageError, match=r"^(damaged: .+|not an image in any of the formats .+)$"):
        decode(data[: int(len(data) * kept)])


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_truncated_jpeg_says_so(kept):
    """The reason names the truncation."""
    data = encode(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8), "JPEG")

    with pytest.raises(UnreadableImageError, match=r"^damaged: .*truncated"):
        decode(data[: int(len(data) * kept)])


def test_png_of_an_ios_app_is_named():
    """Xcode writes other pixels into it than the format says; Pillow opens it, and finds them broken."""
    data = encode(make_pixels(), "PNG")
    crushed = data[:8] + b"\0\0\0\4CgBI\x50\0\x20\6\x2b\xd5\xb3\x7f" + data[8:]

    with pytest.raises(UnreadableImageError, match=r"^PNG files of iOS apps \(CgBI\) are not read; restore them"):
        decode(crushed)


@pytest.mark.parametrize(
    ("marker", "bits", "kind"),
    [
        (0xC1, 12, "JPEG with 12 bits"),
        (0xC3, 16, "lossless JPEG with 16 bits"),
        (0xF7, 8, "JPEG-LS with 8 bits"),
    ],
)
def test_kind_of_jpeg_that_is_not_read_is_named(marker, bits, kind):
    """Medical and scientific files have them; they are not called damaged."""
    data = encode(make_pixels(), "JPEG")
    start = data.index(b"\xff\xc0")
    other = data[: start + 1] + bytes([marker]) + data[start + 2 : start + 4] + bytes([bits]) + data[start + 5 :]

    with pytest.raises(
        UnreadableImageError, match=f"^a file of {kind}.*, which is not read; convert it to PNG or TIFF"
    ):
        decode(other)


@pytest.mark.parametrize(
    "data",
    [b"\x80 just bytes", b"\xff\xd8", encode(make_pixels(), "TGA")],
    ids=["bytes", "start of a JPEG", "TGA"],
)
def test_what_is_no_image_is_refused(data):
    """Only these formats are read, whatever the name of the file says."""
    with pytest.raises(
        UnreadableImageError, match=r"^not an image in any of the formats JPEG, PNG, WEBP, BMP, GIF, TIFF"
    ):
        decode(data)


def test_empty_file_is_refused():
    """An empty file gets a reason of its own."""
    with pytest.raises(UnreadableImageError, match=r"^empty file \(0 bytes\)$"):
        decode(b"")


def test_huge_file_is_refused():
    """Bytes are counted before anything looks at them."""
    with pytest.raises(UnreadableImageError, match=r"^536,870,913 bytes; the limit is 536,870,912$"):
        decode(bytes(MAX_BYTES + 1))


@pytest.mark.parametrize("action", ["error", "ignore"])
@pytest.mark.parametrize("size", [(9_460, 9_460), (50_000, 50_000), (1, MAX_PIXELS + 1)])
def test_decompression_bomb_is_refused(size, action):
    """The promised size decides, with Pillow's warnings on or off."""
    with warnings.catch_warnings():
        warnings.simplefilter(action, Image.DecompressionBombWarning)
        with pytest.raises(UnreadableImageError, match=r"decompression bomb|pixels; the limit is 89,478,485"):
            decode(png_header(*size))


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_array_is_an_image(channels):
    """An array of any of the four shapes comes out as its pixels."""
    shape = (SIDE, SIDE) if channels is None else (SIDE, SIDE, channels)
    array = np.arange(math.prod(shape)).reshape(shape).astype(np.uint8)
    expected = array[..., :3] if channels in (3, 4) else array.reshape(SIDE, SIDE, 1).repeat(3, 2)

    np.testing.assert_array_equal(decode(encode_array(array), background="drop"), expected)


def test_array_in_columns_is_read_in_columns():
    """An array in Fortran order is the same image."""
    stream = io.BytesIO()
    np.save(stream, np.asfortranarray(make_pixels()))

    assert b"'fortran_order': True" in stream.getvalue()
    np.testing.assert_array_equal(decode(stream.getvalue()), make_pixels())


def test_key_of_an_array_stays():
    """The bytes that name an array's image are the same in every release, wherever the array lies in memory."""
    pixels = make_pixels()
    digest = hashlib.sha256(encode_array(pixels)).hexdigest()

    assert digest == "3bc65eaf44e1475ead0a939e2fb47c730cd3b4ce75c560d6e18f314ae63946d6"
    assert encode_array(np.asfortranarray(pixels)) == encode_array(pixels)
    assert encode_array(np.tile(pixels, (1, 2, 1))[:, :SIDE]) == encode_array(pixels)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (60000, 60000, 3), }", "damaged: buffer is smaller"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (8, 8, 3), }", "damaged: buffer is smaller"),
        (f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({2**62}, {2**62}, 3), }}", "damaged: Python int too"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 5, 3), }", r"received uint8 \(0, 5, 3\)"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 5, 3), }", r"received uint8 \(-1, 5, 3\)"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (5, 5, 2), }", r"received uint8 \(5, 5, 2\)"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (), }", r"received uint8 \(\)"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (5, 5, 3), }", r"received float32 \(5, 5, 3\)"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (5, 5, 3), }", r"received object \(5, 5, 3\)"),
        ("{'descr': '|u1', 'fortran_order': False, 'shape': (5, 5, 3), ", "damaged: "),
        ("__import__('os')", "damaged: "),
        ("", "damaged: "),
    ],
)
def test_array_whose_header_does_not_fit_is_refused(header, message):
    """A header with a huge shape takes no memory, and nothing in it is executed."""
    with pytest.raises(UnreadableImageError, match=message):
        decode(npy(header))


def _samples() -> dict[str, bytes]:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    samples = {
        kind: encode(make_pixels(), kind, **({"exif": exif} if kind in ("JPEG", "PNG", "WEBP", "TIFF") else {}))
        for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
    }
    return samples | {"npy": encode_array(make_pixels())}


# Pillow warns of what it can read in spite of some damage; a warning is no test of this code.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "npy"])
def test_damage_anywhere_gives_pixels_or_a_reason(kind):
    """Whatever bytes are wrong, decoding ends with an image or with the one error that lists it as skipped."""
    dice = random.Random(0)
    original = _samples()[kind]
    refused = 0
    for _ in range(150):
        data = bytearray(original)
        for _ in range(dice.choice((1, 2, 8))):
            data[dice.randrange(dice.choice((min(64, len(data)), len(data))))] = dice.randrange(256)
        try:
            pixels = decode(bytes(data))
        except UnreadableImageError:
            refused += 1
        else:
            assert pixels.shape == (SIDE, SIDE, 3)

    assert refused > 5


# Large JPEGs


def test_scaled_decoding_differs_by_few_levels():
    """Of JPEGs of 2 to 50 megapixels with fine and coarse detail: at most 9 levels, 0.6 on average; smaller ones not at all."""
    whole = {"background": "drop", "version": 1}
    for size, fit in (((1920, 1080), "stretch"), ((4000, 3000), "crop"), ((8660, 5773), "stretch")):
        data = draw_photograph(size)
        scaled = Decoder(150, fit=fit).decode(data).astype(int)
        full = (Decoder(150, **whole) if fit == "stretch" else Decoder(150, fit=fit)).decode(
            data if fit == "stretch" else encode(Image.open(io.BytesIO(data)), "PNG", compress_level=0)
        )
        difference = np.abs(scaled - full)
        assert 0 < difference.max() <= 9
        assert difference.mean() < 0.6
    small = draw_photograph((299, 299))
    np.testing.assert_array_equal(Decoder(150).decode(small), Decoder(150, **whole).decode(small))


@pytest.mark.parametrize("fit", FITS)
def test_scaled_decoding_keeps_twice_the_size(fit):
    """The sides that count are at least twice those that are needed; `nearest` takes pixels of the file itself."""
    data = draw_photograph((640, 320))
    full = encode(Image.open(io.BytesIO(data)), "PNG")
    scaled = {
        size_px: not np.array_equal(*(Decoder(size_px, fit=fit).decode(d) for d in (data, full)))
        for size_px in (80, 81, 160, 161)
    }
    expected = {"stretch": {80: True, 81: False}, "crop": {80: True, 81: False}, "pad": {160: True, 161: False}}[fit]

    assert {size_px: scaled[size_px] for size_px in expected} == expected
    for decoder in (Decoder(8, "nearest", fit=fit), Decoder(8, "nearest", background="drop", version=1)):
        np.testing.assert_array_equal(decoder.decode(data), decoder.decode(full))


@pytest.mark.parametrize(
    ("data", "is_same"),
    [
        (encode(make_pixels(), "PNG"), True),
        (encode(make_pixels(200), "JPEG"), False),
        (encode(make_pixels(24), "JPEG"), True),
        (encode(Image.new("CMYK", (SIDE, SIDE)), "JPEG"), True),
        (encode(Image.new("RGBA", (SIDE, SIDE)), "PNG"), False),
        (encode(Image.new("P", (SIDE, SIDE)), "PNG"), True),
        (encode(Image.new("P", (SIDE, SIDE)), "PNG", transparency=0), False),
        (encode(Image.new("I;16", (SIDE, SIDE)), "PNG"), False),
        (encode_array(make_pixels()), True),
        (encode_array(np.zeros((4, 4, 4), np.uint8)), False),
    ],
)
def test_header_shows_whether_version_1_has_the_same_pixels(data, is_same):
    """Where it says so, both versions give the same pixels bit for bit."""
    new, old = Decoder(SIDE), Decoder(SIDE, background="drop", version=1)

    assert new.is_same_in_version_1(data) == is_same
    assert not replace(new, fit="pad").is_same_in_version_1(data)
    assert not is_same or np.array_equal(new.decode(data), old.decode(data))


def test_limit_on_pixels_can_be_raised():
    """The message names the option; with a higher limit the image is read."""
    data = encode(Image.new("L", (9_500, 9_500), 255), "JPEG")

    with pytest.raises(
        UnreadableImageError, match=r"90,250,000 pixels; the limit is 89,478,485, raise it with --max-pixels"
    ):
        decode(data)
    assert decode(data, max_pixels=10**8).min() == 255


# PIL images


@pytest.mark.parametrize(
    ("image", "shape", "dtype"),
    [
        (Image.new("RGBA", (4, 3), (1, 2, 3, 100)), (3, 4, 4), "uint8"),
        (Image.new("LA", (4, 3), (9, 100)), (3, 4, 4), "uint8"),
        (Image.new("CMYK", (4, 3)), (3, 4, 3), "uint8"),
        (Image.new("I;16", (4, 3), 4095), (3, 4), "uint16"),
        (Image.new("I", (4, 3), 4095), (3, 4), "uint16"),
    ],
)
def test_pil_image_keeps_what_the_decoder_has_to_judge(image, shape, dtype):
    """Transparency and 16 bits stay, so that a PIL image has the pixels of the same image in a file."""
    array = np.load(io.BytesIO(encode_image(image, exif=True)))
    kind = {"CMYK": "JPEG", "I": "TIFF"}.get(image.mode, "PNG")

    assert (array.shape, array.dtype) == (shape, dtype)
    np.testing.assert_array_equal(decode(encode_image(image, exif=True), 4), decode(encode(image, kind), 4))


# Thumbnails


@pytest.mark.parametrize(("size", "small"), [((400, 200), (100, 50)), ((200, 400), (50, 100)), ((30, 20), (30, 20))])
def test_thumbnail_keeps_the_proportions(size, small):
    """The longer side is as asked; what is smaller already stays as it is."""
    thumbnail = Image.open(io.BytesIO(make_thumbnail(encode(Image.new("RGB", size, (9, 120, 60)), "PNG"), 100)))

    assert (thumbnail.format, thumbnail.mode, thumbnail.size) == ("JPEG", "RGB", small)
    assert np.abs(np.asarray(thumbnail).astype(int) - (9, 120, 60)).max() < 8


def test_thumbnail_of_a_large_image_is_close_to_the_resized_image():
    """A JPEG that is decoded at an eighth of its size, and turned upright, is close to the image resized at full size."""
    upright = Image.fromarray(make_pixels(1200))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    stored = Image.fromarray(np.ascontiguousarray(UNDO_ORIENTATION[6](np.asarray(upright))))
    thumbnail = Image.open(io.BytesIO(make_thumbnail(encode(stored, "JPEG", exif=exif), 60)))
    expected = np.asarray(upright.resize((60, 60))).astype(int)

    assert thumbnail.size == (60, 60)
    assert np.abs(np.asarray(thumbnail) - expected).mean() < 5
    assert len(thumbnail.getexif()) == 0


@pytest.mark.parametrize("data", [b"", b"no image", encode(Image.new("RGB", (40, 40)), "PNG")[:60]])
def test_thumbnail_of_what_is_no_image_is_an_error(data):
    """Damage has the same error as in decoding for a network."""
    with pytest.raises(UnreadableImageError):
        make_thumbnail(data, 60)
