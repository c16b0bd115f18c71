"""From encoded bytes to pixels, in the same way for every image and every caller.

JPEG, PNG, WebP, BMP, GIF (first frame), TIFF, AVIF, Netpbm, HEIC (with the extra `heif`) and `.npy` arrays become RGB uint8 at the base's size.
"""

import contextlib
import io
import math
import struct
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Imported before threads start: otherwise Pillow imports its readers at the first image, which many threads open at once.
from PIL import (
    AvifImagePlugin,  # noqa: F401
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    ImageOps,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    PpmImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    UnidentifiedImageError,
    WebPImagePlugin,  # noqa: F401
)

from pipeline.errors import SettingError, UnreadableImageError, check_choice
from pipeline.images import heif
from pipeline.images.kinds import HEAD_BYTES, unread_reason

# An explicit list: other readers of Pillow (FITS, PSD, EPS) had security bugs.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", *heif.FORMATS)
MAX_PIXELS = 89_478_485  # Pillow's own limit: a 24-bit image of 256 MiB
MAX_SIZE_PX = math.isqrt(MAX_PIXELS)
MAX_BYTES = 512 * 2**20
_NPY_MAGIC = b"\x93NUMPY"
# Errors of Pillow's readers on damaged files, from its fuzzing harness; numpy raises TokenError for a header.
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    IndexError,
    TypeError,
    OverflowError,
    NotImplementedError,
    tokenize.TokenError,
)

_RESIZE = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}
RESIZE_METHODS = tuple(_RESIZE)


@dataclass(frozen=True)
class Decoder:
    """How pixels are made; part of every recipe."""

    size_px: int
    """Height and width after resizing; the aspect ratio is not kept, as in the published recipes."""

    resize: str = "lanczos"
    """Name of Pillow's filter. All except `nearest` average over the source pixels when shrinking (antialiasing)."""

    exif: bool = True
    """Turn the image upright as its EXIF orientation says. Pillow always does so for TIFF."""

    def __post_init__(self) -> None:
        check_choice("resize method", self.resize, RESIZE_METHODS)
        is_whole = isinstance(self.size_px, int) and not isinstance(self.size_px, bool)
        if not is_whole or not 1 <= self.size_px <= MAX_SIZE_PX:
            raise SettingError(
                f"The size is a whole number of pixels from 1 to {MAX_SIZE_PX:,}. Received: {self.size_px!r}."
            )
        if not isinstance(self.exif, bool):
            raise SettingError(f"`exif` must be true or false. Received: {self.exif!r}.")

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Pixels of one image: uint8 of shape (H, W, 3), RGB, H = W = `size_px`.

        Raises:
            UnreadableImageError: The bytes are not an image, are truncated, or declare more than `MAX_PIXELS` pixels.
        """
        size = (self.size_px, self.size_px)
        with _naming_damage():
            image = _open(data, exif=self.exif)
            resized = image if image.size == size else image.resize(size, _RESIZE[self.resize])
        return np.asarray(resized, dtype=np.uint8)


def make_thumbnail(data: bytes, longest_px: int) -> bytes:
    """A small JPEG of an image, upright and with its aspect ratio, to show to people.

    Args:
        data: The encoded image.
        longest_px: Length of the longer side; smaller images are not enlarged.

    Raises:
        UnreadableImageError: See `Decoder.decode`.
    """
    with _naming_damage():
        image = _open(data, exif=True, least_px=2 * longest_px)
        image.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=72, optimize=True)
    return stream.getvalue()


@contextlib.contextmanager
def _naming_damage() -> Iterator[None]:
    """Convert errors of Pillow and numpy on invalid bytes to `UnreadableImageError`."""
    try:
        yield
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:
        raise UnreadableImageError(f"not an image in any of the formats {', '.join(_FORMATS)}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImageError(f"refused as a decompression bomb: {error}") from None
    except _DAMAGE as error:
        raise UnreadableImageError(f"damaged: {error}") from None


def _open(data: bytes, *, exif: bool, least_px: int | None = None) -> Image.Image:
    """RGB at full size. With `least_px` a JPEG may be decoded at a smaller size, no side below that, which is much faster."""
    if not data:
        raise UnreadableImageError("empty file (0 bytes)")
    if len(data) > MAX_BYTES:
        raise UnreadableImageError(f"{len(data):,} bytes; the limit is {MAX_BYTES:,}")
    return _open_array(data) if data.startswith(_NPY_MAGIC) else _open_image(data, exif=exif, least_px=least_px)


def _open_image(data: bytes, *, exif: bool, least_px: int | None) -> Image.Image:
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except UnidentifiedImageError:
        known = unread_reason(data[:HEAD_BYTES])
        raise UnreadableImageError(known or f"not an image in any of the formats {', '.join(_FORMATS)}") from None
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(f"{width} x {height} pixels; the limit is {MAX_PIXELS:,}")
    if least_px is not None:
        image.draft(None, (least_px, least_px))
    image.load()
    return _to_rgb(ImageOps.exif_transpose(image) if exif else image)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Three 8-bit channels; alpha is dropped, as in Keras and torchvision."""
    if image.mode == "F":
        raise UnreadableImageError("32-bit float pixels have no known range; convert the image to 8 or 16 bits")
    if image.mode.startswith("I"):  # 16-bit grayscale; convert("RGB") would clip it to white
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray((np.clip(values, 0, 65535) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P":
        return image.convert("RGBA").convert("RGB")  # palettes with transparency warn otherwise
    return image if image.mode == "RGB" else image.convert("RGB")


def _open_array(data: bytes) -> Image.Image:
    stream = io.BytesIO(data)
    np.lib.format.read_magic(stream)
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    channels = shape[2] if len(shape) == 3 else 1
    if dtype != np.uint8 or len(shape) not in (2, 3) or channels not in (1, 3, 4) or min(shape) < 1:
        raise UnreadableImageError(
            "an array must be uint8 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); "
            f"received {dtype} {tuple(shape)}"
        )
    # frombuffer raises if the header declares more bytes than there are, before memory is allocated.
    flat = np.frombuffer(data, np.uint8, count=math.prod(shape), offset=stream.tell())
    pixels = flat.reshape(shape, order="F" if is_fortran else "C")
    return Image.fromarray(pixels[..., 0] if shape[2:] == (1,) else pixels).convert("RGB")


def encode_image(image: Image.Image, *, exif: bool) -> bytes:
    """Encode the RGB pixels of a PIL image with `encode_array`.

    Args:
        image: An image of any mode.
        exif: Turn it upright as its EXIF orientation says.

    Raises:
        UnreadableImageError: Its file is damaged, or its pixels have no known range.
    """
    with _naming_damage():
        image.load()
        return encode_array(np.asarray(_to_rgb(ImageOps.exif_transpose(image) if exif else image)))


def encode_array(pixels: NDArray[np.uint8]) -> bytes:
    """Encode an array in `.npy` format 1.0; the SHA-256 of these bytes identifies the image."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(pixels), version=(1, 0), allow_pickle=False)
    return stream.getvalue()
