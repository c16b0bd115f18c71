"""Image files as people have them: odd metadata, missing ends, 12-bit cameras, transparent logos. Each is made by code."""

import io
import logging
import struct
import sys
import threading
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UnreadableImageError
from pipeline.images.decoding.decoder import Decoder
from pipeline.settings import Settings
from pipeline.stage_one.ensure import make_rows
from pipeline.stage_one.recipes import make_recipe
from tests.calls import extract, scan
from tests.conftest import RANDOM
from tests.images.decoding.test_decoder import SIDE, decode, draw_photograph, encode, make_pixels
from tests.images.samples import png_chunk, png_of, png_of_sixteen_bits

RUBBISH = bytes(range(256)) * 9000
"""2 MB."""


def exif(body: bytes) -> bytes:
    """An EXIF block, little-endian unless the body says otherwise."""
    return b"Exif\0\0II*\0" + body


ORIENTED = b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"
ODD_EXIF = {
    "rubbish": b"Exif\0\0" + b"\xff" * 100,
    "empty": b"Exif\0\0",
    "only the byte order": b"Exif\0\0II",
    "text as orientation": exif(b"\x08\0\0\0\x01\0\x12\x01\x02\0\x05\0\0\0abcd\0\0\0\0"),
    "float as orientation": exif(b"\x08\0\0\0\x01\0\x12\x01\x0c\0\x01\0\0\0\xff\xff\xff\xff\0\0\0\0"),
    "orientation 99": exif(b"\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0"),
    "other byte order": exif(b"\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
    "a directory within itself": exif(b"\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"),
    "60 kB of zeros": exif(b"\x08\0\0\0" + bytes(60_000)),
}


def jpeg_segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def plain_png(before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG of `make_pixels` with other chunks."""
    return png_of((SIDE, SIDE, 8, 2), [line.tobytes() for line in make_pixels()], before, after)


ODD_CHUNKS = {
    "a profile of 2 MB": png_chunk(b"iCCP", b"big\0\0" + zlib.compress(RUBBISH)),
    "a profile that is none": png_chunk(b"iCCP", b"x\0\x07rubbish"),
    "compressed text of 2 MB": png_chunk(b"zTXt", b"prompt\0\0" + zlib.compress(RUBBISH)),
    "international text of 2 MB": png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(RUBBISH)),
    "plain text of 2 MB": png_chunk(b"tEXt", b"prompt\0" + RUBBISH),
    "80 MB of text": png_chunk(b"tEXt", b"prompt\0" + RUBBISH) * 36,
    "a wrong checksum": png_chunk(b"tEXt", b"a\0b")[:-4] + bytes(4),
    "EXIF rubbish": png_chunk(b"eXIf", b"\xff" * 50),
    "a physical size without a body": png_chunk(b"pHYs", b""),
    "a chunk that nobody knows": png_chunk(b"abCd", RUBBISH),
}


@pytest.mark.parametrize("name", ODD_CHUNKS)
def test_no_chunk_of_a_png_costs_the_image(name):
    """Before the pixels and behind them."""
    np.testing.assert_array_equal(decode(plain_png(before=ODD_CHUNKS[name])), make_pixels())
    np.testing.assert_array_equal(decode(plain_png(after=ODD_CHUNKS[name])), make_pixels())


def test_orientation_and_transparency_survive_beside_a_broken_chunk():
    """What matters for pixels is read where another part of the metadata cannot be."""
    turned = np.ascontiguousarray(np.rot90(make_pixels()))
    lines = [line.tobytes() for line in turned]
    key = png_chunk(b"tRNS", struct.pack(">HHH", *map(int, turned[0, 0])))
    upright = png_chunk(b"eXIf", exif(b"\x08\0\0\0\x01\0" + ORIENTED + bytes(4))[6:])
    pixels = decode(png_of((SIDE, SIDE, 8, 2), lines, ODD_CHUNKS["a profile of 2 MB"] + key + upright))

    assert tuple(pixels[0, -1]) == (255, 255, 255)
    np.testing.assert_array_equal(pixels[1:], make_pixels()[1:])


@pytest.mark.parametrize("name", ODD_EXIF)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_no_exif_costs_the_image(kind, name):
    """The image stays as it is stored."""
    settings = {"quality": 95} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    plain = decode(encode(make_pixels(), kind, **settings))

    np.testing.assert_array_equal(decode(encode(make_pixels(), kind, exif=ODD_EXIF[name], **settings)), plain)


def test_no_tag_of_a_tiff_costs_the_image():
    """An orientation of another type, and a tag whose data are beyond the file."""
    data = bytearray(encode(make_pixels(), "TIFF", tiffinfo={274: 6, 305: "software" * 20}))
    start = int.from_bytes(data[4:8], "little")
    for entry in range(start + 2, start + 2 + 12 * int.from_bytes(data[start : start + 2], "little"), 12):
        tag = int.from_bytes(data[entry : entry + 2], "little")
        if tag == 274:
            data[entry + 2 : entry + 4] = b"\x02\0"
        if tag == 305:
            data[entry + 8 : entry + 12] = b"\xff\xff\xff\x7f"

    np.testing.assert_array_equal(decode(bytes(data)), make_pixels())


@pytest.mark.parametrize(
    "segment",
    [
        jpeg_segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\x00"),
        jpeg_segment(0xE0, b"JFIF"),
        jpeg_segment(0xEE, b"Adobe"),
        jpeg_segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
        jpeg_segment(0xE2, b"ICC_PROFILE\0\x01\x09broken"),
        jpeg_segment(0xE1, b""),
        jpeg_segment(0xFE, b"\xff" * 500),
    ],
    ids=["Photoshop", "short JFIF", "short Adobe", "broken MPO", "half a profile", "empty", "comment of FF"],
)
def test_no_segment_of_a_jpeg_costs_the_image(segment):
    """A segment that Pillow cannot parse is left out."""
    data = encode(make_pixels(), "JPEG", quality=95)

    np.testing.assert_array_equal(decode(data[:2] + segment + data[2:]), decode(data))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "PPM"])
def test_what_comes_behind_the_end_does_not_matter(kind):
    """A motion photo's video, a second copy, an archive."""
    data = encode(make_pixels(), kind)

    np.testing.assert_array_equal(decode(data + b"PK\3\4 not of the image" * 99), decode(data))


def test_webp_with_a_broken_end_is_read():
    """A cut EXIF chunk, and a file size that is wrong."""
    data = encode(make_pixels(), "WEBP", lossless=True, exif=exif(b"\x08\0\0\0" + bytes(500)))
    for other in (data[:-300], data[:4] + b"\xff\xff\xff\0" + data[8:], data[:4] + b"\x20\0\0\0" + data[8:]):
        np.testing.assert_array_equal(decode(other), make_pixels())


JPEGS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "with restarts": {"restart_marker_rows": 1},
    "with restarts within rows": {"restart_marker_blocks": 3},
}


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_without_end_marker_is_read(name):
    """Without the marker, with half of it, or with other bytes in its place: the very pixels of the whole file."""
    data = encode(Image.open(io.BytesIO(draw_photograph((90, 70)))), "JPEG", quality=90, **JPEGS[name])
    for cut in (data[:-2], data[:-1], data[:-2] + bytes(50)):
        np.testing.assert_array_equal(decode(cut, 64), decode(data, 64))


@pytest.mark.parametrize("name", JPEGS)
def test_jpeg_without_its_last_pixels_is_damaged(name):
    """One byte less is enough, and so are cuts between two scans and between two restart intervals."""
    data = encode(Image.open(io.BytesIO(draw_photograph((90, 70)))), "JPEG", quality=90, **JPEGS[name])
    restarts = {data.rfind(bytes([0xFF, 0xD0 + number])) + after for number in range(8) for after in (0, 2)}
    scans = {position for position in range(len(data)) if data[position : position + 2] in (b"\xff\xda", b"\xff\xc4")}
    starts = {position for position in restarts | scans if position > data.find(b"\xff\xda")}
    for length in {len(data) - 3, len(data) - 4, len(data) - 20, len(data) // 2, *starts}:
        with pytest.raises(UnreadableImageError, match=r"^damaged: "):
            decode(data[:length], 64)


def test_nothing_reaches_the_terminal(capfd):
    """Neither Pillow's warnings, also where they are errors, nor the lines of libtiff; from many threads, and without a trace."""
    files = [encode(make_pixels(), "TIFF", compression=name) for name in ("tiff_lzw", "jpeg", "tiff_adobe_deflate")]
    files += [data[:200] + b"\xff" * 60 + data[260:] for data in files]
    files += [encode(Image.new("P", (9, 9)), "PNG", transparency=bytes(3)), plain_png() + bytes(9)]
    files += [encode(make_pixels(), "JPEG", exif=entry) for entry in ODD_EXIF.values()]
    files.append(encode(Image.new("1", (9_500, 9_500)), "PNG"))

    def read() -> None:
        for data in files:
            try:
                decode(data)
            except UnreadableImageError as error:
                errors.append(str(error))

    errors: list[str] = []
    failed: list[object] = []
    kept = threading.excepthook
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threading.excepthook = failed.append
        try:
            threads = [threading.Thread(target=read) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            threading.excepthook = kept
        with pytest.raises(UserWarning):
            warnings.warn("the program's own filters hold outside", stacklevel=1)
    sys.stderr.flush()

    assert failed == []
    assert len(errors) >= 4
    assert capfd.readouterr() == ("", "")


# 16 bits a channel


def gray(values, kind: str) -> bytes:
    return encode(Image.fromarray(values), kind)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize(("kind", "dtype"), [("PNG", "u2"), ("TIFF", "<u2"), ("TIFF", ">u2"), ("TIFF", "i4")])
def test_gray_uses_the_range_of_the_file(bits, kind, dtype):
    """White is white whatever the camera's bits are; version 1 takes the upper 8 of 16."""
    ramp = np.linspace(0, 2**bits - 1, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.int64)
    data = gray(ramp.astype(dtype), kind)
    pixels, noticed = Decoder(SIDE).decode_noticing(data)

    assert noticed.bits == (None if bits == 16 else bits)
    np.testing.assert_array_equal(pixels[..., 0], ramp >> (bits - 8))
    np.testing.assert_array_equal(decode(data, background="drop", version=1)[..., 0], ramp >> 8)


@pytest.mark.parametrize("bits", [8, 12, 14, 16])
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_use_the_range_of_the_file(bits, channels):
    """All three colours together; alpha always has 16 bits."""
    values = np.random.default_rng(0).integers(0, 2**bits, (SIDE, SIDE, channels)).astype(np.uint16)
    values[0, 0, 0] = 2**bits - 1
    values[..., 3:] = 65_535
    data = png_of_sixteen_bits(values)

    np.testing.assert_array_equal(decode(data), values[..., :3] >> (bits - 8))
    np.testing.assert_array_equal(decode(data, background="drop", version=1), values[..., :3] >> 8)


@pytest.mark.parametrize("channels", [1, 3])
def test_hot_pixels_do_not_make_an_image_black(channels):
    """One value in a thousand may be larger than the range, and is white; more of them are part of the image."""
    values = np.random.default_rng(0).integers(0, 2**12, (100, 100, channels)).astype(np.uint16)
    values[:2, :2] = 65_535
    data = gray(values[..., 0], "PNG") if channels == 1 else png_of_sixteen_bits(values)
    pixels, noticed = Decoder(100).decode_noticing(data)

    assert noticed.bits == 12
    np.testing.assert_array_equal(pixels[5, 5, :channels], values[5, 5] >> 4)
    assert pixels[0, 0].min() == 255
    values[:10] = 65_535
    data = gray(values[..., 0], "PNG") if channels == 1 else png_of_sixteen_bits(values)
    assert Decoder(100).decode_noticing(data)[1].bits is None


def test_negative_values_are_noise_or_refused():
    """A little below 0 is 0, as after the background was subtracted; Hounsfield units have no known range."""
    noise = np.linspace(-200, 4095, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.int32)
    pixels, noticed = Decoder(SIDE).decode_noticing(gray(noise, "TIFF"))

    assert noticed.bits == 12
    np.testing.assert_array_equal(pixels[..., 0], np.maximum(noise, 0) >> 4)
    for low in (-1024, -5000):
        with pytest.raises(UnreadableImageError, match=f"values from {low} to 3000 have no known range; convert"):
            decode(gray(np.linspace(low, 3000, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.int32), "TIFF"))


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\nxx", b"GIF89a", b"II*\0\x99", b"\xff\xd8\xff"])
def test_image_whose_header_cannot_be_read_is_damaged(start):
    """It is not called a file of another kind."""
    with pytest.raises(UnreadableImageError, match=r"^damaged: "):
        decode(start)


def test_images_that_were_judged_are_counted(tmp_path, caplog):
    """One warning for all, with the number of images by bits; an image with the whole range is not among them."""
    for number, bits in enumerate((8, 12, 12, 16)):
        values = np.random.default_rng(number).integers(0, 2**bits, (48, 48)).astype(np.uint16)
        values[0, 0] = 2**bits - 1
        folder = tmp_path / "scans" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.png").write_bytes(gray(values, "PNG"))

    with caplog.at_level(logging.WARNING):
        extract(tmp_path / "scans", settings=Settings.of(cache=tmp_path / "cache", **RANDOM))

    (message,) = [entry.getMessage() for entry in caplog.records if "16 bits" in entry.getMessage()]
    assert message.startswith("3 images have 16 bits a channel")
    assert "1 with 8 bits, 2 with 12 bits" in message


@pytest.mark.parametrize(("bits", "is_dim"), [(8, True), (12, True), (14, True), (16, False)])
def test_gray_with_alpha_that_comes_out_dim_is_noticed(bits, is_dim):
    """The upper 8 of 16 bits are read, whatever the bits in use; version 1 does so with all images."""
    values = np.full((SIDE, SIDE, 2), 65_535, np.uint16)
    values[..., 0] = np.linspace(0, 2**bits - 1, SIDE * SIDE).reshape(SIDE, SIDE)
    data = png_of_sixteen_bits(values)
    pixels, noticed = Decoder(SIDE).decode_noticing(data)

    assert (noticed.is_dim, noticed.bits) == (is_dim, None)
    np.testing.assert_array_equal(pixels[..., 0], values[..., 0] >> 8)
    assert not Decoder(SIDE, background="drop", version=1).decode_noticing(data)[1].is_dim


def test_images_that_come_out_dim_are_named(tmp_path, caplog):
    """One warning for all; plain gray with alpha of 8 bits is not among them."""
    for number in range(6):
        values = np.full((48, 48, 2), 65_535, np.uint16)
        values[..., 0] = np.random.default_rng(number).integers(0, 2**12, (48, 48))
        folder = tmp_path / "scans" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        plain = encode(Image.fromarray((values >> 8).astype(np.uint8), "LA"), "PNG")
        (folder / f"{number}.png").write_bytes(png_of_sixteen_bits(values) if number < 4 else plain)

    with caplog.at_level(logging.WARNING):
        extract(tmp_path / "scans", settings=Settings.of(cache=tmp_path / "cache", **RANDOM))

    (message,) = [entry.getMessage() for entry in caplog.records if "alpha" in entry.getMessage()]
    assert message.startswith("4 images are gray with alpha of 16 bits")
    assert "(a/0.png, a/2.png, b/1.png and 1 more)" in message


# Several pages and frames


def several(kind: str, *, sizes=(SIDE, SIDE), **settings) -> bytes:
    """A file with one image of each size, each of another colour."""
    first, *others = [Image.new("RGB", (size, size), (60 * number, 200, 90)) for number, size in enumerate(sizes)]
    stream = io.BytesIO()
    first.save(stream, kind, save_all=True, append_images=others, **settings)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "WEBP", "PNG", "AVIF"])
def test_further_pages_and_frames_are_noticed(kind):
    """The first is read."""
    pixels, noticed = Decoder(SIDE).decode_noticing(several(kind))

    assert noticed.has_more
    assert not Decoder(SIDE).decode_noticing(several(kind, sizes=[SIDE]))[1].has_more
    assert np.abs(pixels[0, 0].astype(int) - (0, 200, 90)).max() < 12


def test_previews_are_no_pages():
    """A second page that is much smaller, or that says that it is a smaller copy, is not lost."""
    assert not Decoder(SIDE).decode_noticing(several("TIFF", sizes=(64, 15)))[1].has_more
    copies = several("TIFF", tiffinfo={254: 1})
    assert not Decoder(SIDE).decode_noticing(copies)[1].has_more


def test_a_damaged_second_page_does_not_matter():
    """The first is there."""
    data = several("TIFF")
    pixels, _ = Decoder(SIDE).decode_noticing(data[: len(data) - 40])

    assert pixels[0, 0].tolist() == [0, 200, 90]


def test_files_with_several_pages_are_counted(tmp_path, caplog):
    """One warning for all, with the name of one."""
    for number in range(4):
        folder = tmp_path / "scans" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.tif").write_bytes(several("TIFF", sizes=[40 + number] * (1 + number % 2)))

    with caplog.at_level(logging.WARNING):
        extract(tmp_path / "scans", settings=Settings.of(cache=tmp_path / "cache", **RANDOM))

    (message,) = [entry.getMessage() for entry in caplog.records if "pages" in entry.getMessage()]
    assert message == (
        "2 files have several pages or frames, b/1.tif for one; the first of each is used. If others matter, split them into files."
    )


# Transparency


def transparent_images() -> dict[str, bytes]:
    """Each way to be transparent: the left half is, and what is hidden there is black."""
    colours = np.full((SIDE, SIDE, 3), (200, 100, 50), np.uint8)
    colours[:, : SIDE // 2] = 0
    alpha = np.full((SIDE, SIDE), 255, np.uint8)
    alpha[:, : SIDE // 2] = 0
    rgba = Image.fromarray(np.dstack([colours, alpha]))
    palette = Image.fromarray((alpha > 0).astype(np.uint8))
    palette.putpalette([0, 0, 0, 200, 100, 50])
    wide = np.dstack([colours, alpha]).astype(np.uint16) * 257
    return {
        "RGBA PNG": encode(rgba, "PNG"),
        "RGBA WebP": encode(rgba, "WEBP", lossless=True, exact=True),
        "RGBA TIFF": encode(rgba, "TIFF"),
        "RGBA AVIF": encode(rgba, "AVIF", quality=100),
        "16 bits": png_of_sixteen_bits(wide),
        "colour key": encode(Image.fromarray(colours), "PNG", transparency=(0, 0, 0)),
        "16-bit colour key": png_of_sixteen_bits(wide[..., :3], before=png_chunk(b"tRNS", bytes(6))),
        "palette with one entry": encode(palette, "PNG", transparency=0),
        "palette with alpha": encode(palette, "PNG", transparency=b"\0\xff"),
        "GIF": encode(palette, "GIF", transparency=0),
    }


@pytest.mark.parametrize("name", transparent_images())
@pytest.mark.parametrize(
    ("background", "expected"), [("#ffffff", (255,) * 3), ("#0a64c8", (10, 100, 200)), ("drop", (0, 0, 0))]
)
def test_transparent_pixels_show_the_background(name, background, expected):
    """In every format; what is opaque keeps its colour. Dropped transparency shows what was hidden."""
    pixels = decode(transparent_images()[name], background=background)
    atol = 6 if "AVIF" in name else 0

    if (name, background) != ("GIF", "drop"):  # Pillow's writer may choose another colour for the transparent entry
        np.testing.assert_allclose(pixels[3, 2].astype(int), expected, atol=atol)
    np.testing.assert_allclose(pixels[3, -2].astype(int), (200, 100, 50), atol=atol)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_transparent_gray_of_each_depth(depth):
    """The key is a value of the file; two gray values, the lower transparent."""
    low, high = 0, 2**depth - 1
    bits = "".join(f"{low if x < SIDE // 2 else high:0{depth}b}" for x in range(SIDE))
    line = int(bits, 2).to_bytes(len(bits) // 8, "big")
    data = png_of((SIDE, SIDE, depth, 0), [line] * SIDE, png_chunk(b"tRNS", struct.pack(">H", low)))
    other = png_of((SIDE, SIDE, depth, 0), [line] * SIDE, png_chunk(b"tRNS", struct.pack(">H", high)))

    assert [decode(data, background="#ff0000")[0, x].tolist() for x in (0, -1)] == [[255, 0, 0], [255, 255, 255]]
    assert [decode(other, background="#ff0000")[0, x].tolist() for x in (0, -1)] == [[0, 0, 0], [255, 0, 0]]


def test_half_transparent_pixels_are_mixed():
    """In proportion to alpha, before anything is resized."""
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 51))

    assert decode(encode(image, "PNG"), 1).tolist() == [[[204, 204, 204]]]


# Aspect ratio


def test_fit_keeps_the_aspect_ratio():
    """A wide image with red, green and blue thirds: stretched all are there, cropped only the middle, padded all and a margin."""
    image = np.repeat(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8), 30, 1).repeat(30, 0)
    data = encode(image, "PNG")
    stretched, cropped, padded = (decode(data, 30, fit=fit, resize="box") for fit in ("stretch", "crop", "pad"))

    assert {tuple(pixel) for pixel in stretched[15, [2, 15, 27]].tolist()} == {(255, 0, 0), (0, 255, 0), (0, 0, 255)}
    assert (cropped == (0, 255, 0)).all()
    assert (padded[:10] == 255).all()
    assert (padded[20:] == 255).all()
    np.testing.assert_array_equal(padded[10:20], decode(data, 30, resize="box")[:10])
    assert (decode(data, 30, fit="pad", background="drop")[:10] == 0).all()


def test_limit_on_pixels_reaches_the_work(tmp_path):
    """An image above the limit is skipped with its size and the option; with a higher limit it has a row, under the same key."""
    for label in "ab":
        (tmp_path / "photos" / label).mkdir(parents=True)
        (tmp_path / "photos" / label / "x.png").write_bytes(
            encode(Image.new("RGB", (40, 30), (label == "a" and "red") or "blue"), "PNG")
        )
    settings = Settings.of(cache=tmp_path / "cache", max_pixels=1000, **RANDOM)
    manifest = scan(tmp_path / "photos", settings=settings)
    recipe, _ = make_recipe(manifest, settings)
    refused = make_rows(manifest, recipe, settings)
    raised = make_rows(manifest, recipe, settings.with_changes(max_pixels=1200))

    assert {entry.reason for entry in refused.manifest.skipped} == {
        "40 x 30 = 1,200 pixels; the limit is 1,000, raise it with --max-pixels"
    }
    assert (raised.num_new, raised.store.name) == (2, refused.store.name)
