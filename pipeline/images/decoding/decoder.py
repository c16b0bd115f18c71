"""From encoded bytes to pixels, in the same way for every image and every caller.

JPEG, PNG, WebP, AVIF, BMP, GIF (first frame), TIFF, Netpbm, HEIC (with the extra `heif`) and `.npy` arrays become RGB uint8 at the base's size.

| how | module |
|---|---|
| files are opened and loaded, whatever else is in them | `formats`, `jpeg`, `metadata`, `silence`, `whole` |
| 16 bits a channel become 8 | `sixteen` |
| modes, transparency, aspect ratio | `pixels` |
"""

import contextlib
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pipeline.errors import SettingError, UnreadableImageError, check_choice
from pipeline.images.decoding import sixteen
from pipeline.images.decoding.formats import (
    DAMAGE,
    FORMATS,
    MAX_PIXELS,
    Extent,
    Loaded,
    Size,
    check_pixels,
    load_image,
    open_image,
)
from pipeline.images.decoding.metadata import SWAPS_SIDES, turn_of
from pipeline.images.decoding.noticed import Noticed
from pipeline.images.decoding.pages import has_more_pages
from pipeline.images.decoding.pixels import DROP, FITS, RESIZE, compose, fit_to, fitted_size, parse_background, to_rgb
from pipeline.images.decoding.silence import no_warnings
from pipeline.images.decoding.whole import whole_files

MAX_SIZE_PX = math.isqrt(MAX_PIXELS)
MAX_BYTES = 512 * 2**20
RESIZE_METHODS = tuple(RESIZE)
DECODERS = (1, 2)
"""Versions of the decoder."""

WHITE, BLACK = "#ffffff", "#000000"
_SHOWN_PIXELS = 2**30
"""Limit on pixels of a thumbnail: a user may have raised the limit for the images of a data set."""

JPEG_MARGINS = {"bilinear": 2, "bicubic": 2, "lanczos": 2, "box": 8}
"""By filter: a JPEG is decoded at a smaller size if that keeps so many times the pixels that are needed along each side.

The largest difference to full decoding is 9 grey levels at an edge and 6 elsewhere, the mean at most 0.6 (tests/images/decoding/test_decoder.py; docs/format.md has a table). `box`
needs a larger margin because it gives each pixel of the file to one pixel of the result; `nearest` takes pixels of the file itself.
"""

_NPY_MAGIC = b"\x93NUMPY"
_VERSION_1 = {"fit": "stretch", "background": DROP, "version": 1}
"""What stores of versions 0.1 and 0.2 do not say."""


@dataclass(frozen=True)
class Decoder:
    """How pixels are made; part of every recipe.

    | | version 2 | version 1 (stores of 0.1 and 0.2, and the published recipes) |
    |---|---|---|
    | transparent pixels | composed on `background` | transparency is dropped |
    | 16 bits a channel | the range is judged by the largest values in the file | the upper 8 bits |
    | a large JPEG | decoded at a smaller size, at least twice that which is needed | decoded at full size |
    | aspect ratio | `fit` | changed |

    Both give the same pixels for all other images.
    """

    size_px: int
    """Height and width after resizing."""

    resize: str = "lanczos"
    """Name of Pillow's filter. All except `nearest` average over the source pixels when shrinking (antialiasing)."""

    exif: bool = True
    """Turn the image upright as its EXIF orientation says. Pillow always does so for TIFF."""

    fit: str = "stretch"
    """`stretch` changes the aspect ratio, `crop` takes the largest square in the middle, `pad` fills up with the background."""

    background: str = WHITE
    """Colour behind transparent pixels and around padded images, `#rrggbb`. Or `drop`: transparency is ignored, padding black."""

    version: int = 2
    """1 or 2."""

    max_pixels: int = field(default=MAX_PIXELS, compare=False, repr=False)
    """Images with more pixels are refused. Not in the recipe: it changes no pixel."""

    def __post_init__(self) -> None:
        check_choice("resize method", self.resize, RESIZE_METHODS)
        check_choice("fit", self.fit, FITS)
        is_whole = isinstance(self.size_px, int) and not isinstance(self.size_px, bool)
        if not is_whole or not 1 <= self.size_px <= MAX_SIZE_PX:
            raise SettingError(
                f"The size is a whole number of pixels from 1 to {MAX_SIZE_PX:,}. Received: {self.size_px!r}."
            )
        if not isinstance(self.exif, bool):
            raise SettingError(f"`exif` must be true or false. Received: {self.exif!r}.")
        if type(self.version) is not int or self.version not in DECODERS:
            raise SettingError(f"The decoder is one of {DECODERS}. Received: {self.version!r}.")
        if not isinstance(self.background, str) or parse_background(self.background) != self.background:
            raise SettingError(
                f"A decoder's background is #rrggbb in lower case, or drop. Received: {self.background!r}."
            )
        if self.version == 1 and (self.fit, self.background) != ("stretch", DROP):
            raise SettingError(
                "Decoder 1 changes the aspect ratio and drops transparency; it has no other fit or background. "
                f"Received: fit {self.fit}, background {self.background}. Use decoder 2."
            )
        if type(self.max_pixels) is not int or self.max_pixels < 1:
            raise SettingError(f"The limit on pixels is a positive whole number. Received: {self.max_pixels!r}.")

    def as_dict(self) -> dict[str, Any]:
        """What recipes say of it; for version 1 what 0.1 and 0.2 wrote, so that their fingerprints stay."""
        later = () if self.version > 1 else tuple(_VERSION_1)
        return {name: value for name, value in asdict(self).items() if name not in ("max_pixels", *later)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The decoder of `as_dict`.

        Raises:
            SettingError: A value is out of range, or version 1 has fields that it did not have.
            TypeError: A field is missing or unknown.
        """
        if not isinstance(values, Mapping):
            raise SettingError(f"A decoder is a JSON object. Received: {values!r:.100}.")
        given = dict(values)
        if "max_pixels" in given or given.get("version") == 1:
            raise SettingError(f"No recipe's decoder has these values: {sorted(given)}.")
        return cls(**(given if "version" in given else _VERSION_1 | given))

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Pixels of one image: uint8 of shape (H, W, 3), RGB, H = W = `size_px`.

        Raises:
            UnreadableImageError: The bytes are not an image, are truncated, or declare more than `max_pixels` pixels.
        """
        return self.decode_noticing(data)[0]

    def decode_noticing(self, data: bytes) -> tuple[NDArray[np.uint8], Noticed]:
        """What `decode` returns, and what was noticed in the file."""
        with _naming_damage():
            image, extent, noticed = self._load(data)
            fill = BLACK if self.background == DROP else self.background
            fitted = fit_to(image, extent, self.size_px, self.fit, self.resize, fill)
        return np.asarray(fitted, dtype=np.uint8), noticed

    def is_same_in_version_1(self, data: bytes) -> bool:
        """Whether version 1 gives the same pixels for this image, as far as its header shows; False if in doubt.

        Raises:
            UnreadableImageError: The bytes are not an image.
        """
        if self.version == 1:
            return True
        if self.fit != "stretch":
            return False
        with _naming_damage():
            if _is_array(data):
                return _open_array(data, self.max_pixels).mode in ("L", "RGB")
            image = open_image(data)
            is_wide = image.mode.startswith("I") or sixteen.is_sixteen_bit_colour(image)
            if is_wide or (image.has_transparency_data and self.background != DROP):
                return False
            size = image.size
            if image.format == "JPEG" and self.resize in JPEG_MARGINS:
                image.draft(None, self._least_size(size))
        return image.size == size

    def _load(self, data: bytes) -> tuple[Image.Image, Extent, Noticed]:
        """RGB, upright, before fitting; what it shows; and what was noticed."""
        check_bytes(data)
        judges = self.version > 1
        if _is_array(data):
            image, bits = to_rgb(_open_array(data, self.max_pixels), self.background, judges=judges)
            return image, image.size, _noticed(bits)
        is_drafted = judges and self.resize in JPEG_MARGINS
        loaded = load_image(data, max_pixels=self.max_pixels, draft=self._least_size if is_drafted else None)
        image, bits = self._judge_colour(loaded) if judges else (loaded.image, None)
        if bits is None:
            image, bits = to_rgb(loaded.image, self.background, judges=judges)
        has_more, is_dim = has_more_pages(loaded.image, loaded.content), judges and _is_dim(loaded)
        noticed = _noticed(bits, has_more=has_more, is_dim=is_dim)
        turn = turn_of(loaded.image) if self.exif and loaded.image.format != "TIFF" else None
        if turn is None:
            return image, loaded.extent, noticed
        width, height = loaded.extent
        return image.transpose(turn), (height, width) if turn in SWAPS_SIDES else (width, height), noticed

    def _judge_colour(self, loaded: Loaded) -> tuple[Image.Image, int | None]:
        """An image with 16 bits in each colour as RGB, and its significant bits; None for an image that has not."""
        image = loaded.image
        if image.format not in ("PNG", "TIFF") or image.mode not in ("RGB", "RGBA"):
            return image, None
        file = open_image(loaded.content)
        if (reason := sixteen.unjudged_reason(file)) and sixteen.may_be_judged(np.asarray(image)):
            raise UnreadableImageError(f"fewer than 16 bits seem to be in use in a TIFF file of 16 bits with {reason}")
        if not sixteen.is_sixteen_bit_colour(file):
            return image, None
        key = image.info.get("transparency") if image.mode == "RGB" else None
        upper = np.asarray(image)
        if not sixteen.may_be_judged(upper) and key is None:
            return to_rgb(image, self.background, judges=True)[0], sixteen.FULL_BITS
        sixteen.read_lower_bytes(file)
        file.load()
        pixels, bits, values = sixteen.judge_colour(upper, np.asarray(file))
        image = sixteen.as_image(pixels)
        if key is not None:
            image.putalpha(sixteen.as_image((values != np.asarray(key)).any(axis=2).astype(np.uint8) * 255))
        return (compose(image, self.background) if image.mode == "RGBA" else image), bits

    def _least_size(self, size: Size) -> Size:
        """The size below which a JPEG of this size may not be decoded."""
        width, height = fitted_size(size, self.size_px, self.fit)
        margin = JPEG_MARGINS[self.resize]
        return margin * width, margin * height


def _noticed(bits: int | None, *, has_more: bool = False, is_dim: bool = False) -> Noticed:
    """Of the significant bits of a channel where the file has 16: whether they are fewer."""
    return Noticed(bits if bits is not None and bits < sixteen.FULL_BITS else None, has_more, is_dim)


def _is_dim(loaded: Loaded) -> bool:
    """Whether an image is gray with alpha, of 16 bits of which its largest values use fewer; Pillow loads it as RGBA."""
    image = loaded.image
    if (
        image.format != "PNG"
        or image.mode != "RGBA"
        or not sixteen.is_sixteen_bit_with_alpha(open_image(loaded.content))
    ):
        return False
    return sixteen.may_be_judged(np.asarray(image))


def check_bytes(data: bytes) -> None:
    """Check the number of bytes.

    Raises:
        UnreadableImageError: There are none, or too many.
    """
    if not data:
        raise UnreadableImageError("empty file (0 bytes)")
    if len(data) > MAX_BYTES:
        raise UnreadableImageError(f"{len(data):,} bytes; the limit is {MAX_BYTES:,}")


def make_thumbnail(data: bytes, longest_px: int) -> bytes:
    """A small JPEG of an image, upright and with its aspect ratio, to show to people.

    Args:
        data: The encoded image.
        longest_px: Length of the longer side; smaller images are not enlarged.

    Raises:
        UnreadableImageError: See `Decoder.decode`.
    """
    with _naming_damage():
        check_bytes(data)
        if _is_array(data):
            loaded = _open_array(data, _SHOWN_PIXELS)
        else:
            least = (2 * longest_px, 2 * longest_px)
            loaded = load_image(data, max_pixels=_SHOWN_PIXELS, draft=lambda _: least).image
        image, _ = to_rgb(loaded, WHITE, judges=True)
        turn = turn_of(loaded) if loaded.format != "TIFF" else None
        image = image if turn is None else image.transpose(turn)
        image.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=72, optimize=True)
    return stream.getvalue()


@contextlib.contextmanager
def _naming_damage() -> Iterator[None]:
    """Convert errors of Pillow and numpy on invalid bytes to `UnreadableImageError`; no warning is shown."""
    try:
        with no_warnings(), whole_files():
            yield
    except UnreadableImageError:
        raise
    except UnidentifiedImageError:
        raise UnreadableImageError(f"not an image in any of the formats {', '.join(FORMATS)}") from None
    except Image.DecompressionBombError as error:
        raise UnreadableImageError(f"refused as a decompression bomb: {error}") from None
    except DAMAGE as error:
        raise UnreadableImageError(f"damaged: {error}") from None


def _is_array(data: bytes) -> bool:
    return data.startswith(_NPY_MAGIC)


def _open_array(data: bytes, max_pixels: int) -> Image.Image:
    """An array as an image of mode L, RGB or RGBA, or I;16 for gray of 16 bits."""
    stream = io.BytesIO(data)
    np.lib.format.read_magic(stream)
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    channels = shape[2] if len(shape) == 3 else 1
    is_pixels = dtype == np.uint8 or (dtype == np.dtype("<u2") and len(shape) == 2)
    if not is_pixels or len(shape) not in (2, 3) or channels not in (1, 3, 4) or min(shape) < 1:
        raise UnreadableImageError(
            "an array must be uint8 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), or uint16 of shape (H, W); "
            f"received {dtype} {tuple(shape)}"
        )
    # frombuffer raises if the header declares more bytes than there are, before memory is allocated.
    flat = np.frombuffer(data, dtype, count=math.prod(shape), offset=stream.tell())
    check_pixels((shape[1], shape[0]), max_pixels)
    pixels = flat.reshape(shape, order="F" if is_fortran else "C")
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if shape[2:] == (1,) else pixels))


def encode_image(image: Image.Image, *, exif: bool) -> bytes:
    """Encode the pixels of a PIL image with `encode_array`: gray of 16 bits, RGBA where it is transparent, otherwise RGB.

    Args:
        image: An image of any mode.
        exif: Turn it upright as its EXIF orientation says.

    Raises:
        UnreadableImageError: Its file is damaged, or its pixels have no known range.
    """
    with _naming_damage():
        image.load()
        turn = turn_of(image) if exif else None
        upright = image if turn is None else image.transpose(turn)
        if upright.mode.startswith("I") and "transparency" not in upright.info:
            values = np.asarray(upright)
            if values.min() >= 0 and values.max() < 2**sixteen.FULL_BITS:
                return encode_array(values.astype("<u2"))
        if upright.has_transparency_data and not upright.mode.startswith("I"):
            return encode_array(np.asarray(upright.convert("RGBA")))
        return encode_array(np.asarray(to_rgb(upright, DROP, judges=True)[0]))


def encode_array(pixels: NDArray[Any]) -> bytes:
    """Encode an array in `.npy` format 1.0; the SHA-256 of these bytes identifies the image."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(pixels), version=(1, 0), allow_pickle=False)
    return stream.getvalue()
