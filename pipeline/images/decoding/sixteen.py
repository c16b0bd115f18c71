"""Images with 16 bits a channel, whose values may use fewer: medical and industrial cameras have 10, 12 or 14.

No file format has a field for that which is filled in reliably, so the range is judged by the largest values in the file. One in a thousand
may be larger: a hot pixel, or a value that marks what is no part of the image, would make all others black.
"""

import re
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from pipeline.errors import UnreadableImageError
from pipeline.images.decoding.tiff import TOGETHER, are_apart

FULL_BITS = 16
_LEAST_BITS = 8
_ONE_IN = 1000
NOISE = 0.1
"""Negative values are read as 0 if none is further below it than this share of the largest value."""

_COLOURS = re.compile(r"(RGB|RGBA);16([BLN])")
_UNJUDGED = re.compile(r"RGB[Xa];16[BLN]")
"""A fourth value beside the colours, which is no alpha, or alpha that they are multiplied with."""

_SWAPPED = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def significant_bits(*values: NDArray[Any]) -> int:
    """8, 10, 12, 14 or 16: the fewest of these that hold all values but one in a thousand (32-bit files: an even number up to 32)."""
    most = max(int(part.max(initial=0)) for part in values).bit_length()
    enough = (bits for bits in range(_LEAST_BITS, most, 2) if _are_few(*(part >= 2**bits for part in values)))
    return next(enough, max(_LEAST_BITS, most + most % 2))


def _are_few(*larger: NDArray[np.bool_]) -> bool:
    return sum(int(np.count_nonzero(part)) for part in larger) * _ONE_IN <= sum(part.size for part in larger)


def to_eight_bits(values: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """The upper 8 of so many bits; negative values become 0, larger ones 255."""
    shifted: NDArray[np.uint8] = (np.clip(values.astype(np.int64), 0, 2**bits - 1) >> (bits - 8)).astype(np.uint8)
    return shifted


def judge(values: NDArray[Any]) -> tuple[NDArray[np.uint8], int]:
    """Gray values of 16 or 32 bits as 8 bits, and the significant bits that they were judged to have.

    Raises:
        UnreadableImageError: Values are so far below 0 that this is not noise, as in Hounsfield units: their range is not known.
    """
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if -low > NOISE * high:
        raise UnreadableImageError(
            f"values from {low} to {high} have no known range; convert the image to 8 or 16 bits without a sign"
        )
    bits = significant_bits(values)
    return to_eight_bits(values, bits), bits


def is_sixteen_bit_colour(image: ImageFile.ImageFile) -> bool:
    """Whether an image that was opened, not loaded yet, has 16 bits in each colour, of which Pillow reads the upper 8."""
    return bool(image.tile) and all(_COLOURS.fullmatch(_raw_mode(tile.args)) for tile in image.tile)


def unjudged_reason(image: ImageFile.ImageFile) -> str:
    """Why the lower 8 bits of colours of 16 bits are not read, with the cure; empty if they are, and for other images.

    Where the upper 8 may be zeros, such an image is refused: it would be black, or have a few levels.
    """
    if is_sixteen_bit_colour(image) and are_apart(getattr(image, "tag_v2", {})):
        return f"each colour in a plane of its own; {TOGETHER}"
    if image.tile and all(_UNJUDGED.fullmatch(_raw_mode(tile.args)) for tile in image.tile):
        return "a fourth band beside the colours; export three of them as RGB"
    return ""


def is_sixteen_bit_with_alpha(image: ImageFile.ImageFile) -> bool:
    """Whether an image that was opened, not loaded yet, is gray with alpha of 16 bits, of which Pillow can read the upper 8 alone."""
    return bool(image.tile) and all(_raw_mode(tile.args) == "LA;16B" for tile in image.tile)


def read_lower_bytes(image: ImageFile.ImageFile) -> None:
    """Make Pillow load the lower 8 bits of each colour of such an image: the other byte, with the byte order swapped."""
    image.tile = [tile._replace(args=_swap(tile.args)) for tile in image.tile]


def judge_colour(upper: NDArray[np.uint8], lower: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int, NDArray[Any]]:
    """Colours of 16 bits, (H, W, 3 or 4), as 8 bits.

    Returns:
        uint8 (H, W, 3 or 4), with the upper byte of alpha; the significant bits of the three colours; the 16-bit values.
    """
    values = (upper.astype(np.uint16) << 8) | lower
    bits = significant_bits(values[..., :3])
    pixels = upper.copy()
    pixels[..., :3] = to_eight_bits(values[..., :3], bits)
    return pixels, bits, values


def may_be_judged(upper: NDArray[np.uint8]) -> bool:
    """Whether the upper bytes of colours, (H, W, 3 or 4), are so small that fewer than 16 bits may be in use."""
    return _are_few(upper[..., :3] >= 2 ** (FULL_BITS - 2 - 8))


def as_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """An image of gray (H, W) or colour (H, W, 3 or 4)."""
    return Image.fromarray(pixels)


def _raw_mode(args: Any) -> str:
    return str(args[0] if isinstance(args, tuple) else args)


def _swap(args: Any) -> Any:
    kind, order = _raw_mode(args).split(";16")
    swapped = f"{kind};16{_SWAPPED[order]}"
    return (swapped, *args[1:]) if isinstance(args, tuple) else swapped
