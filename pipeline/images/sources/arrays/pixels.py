"""Arrays of pixels as people have them, as uint8."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.images.decoding.sixteen import FULL_BITS, NOISE, significant_bits, to_eight_bits

CHANNELS = (1, 3, 4)
_EXPECTED = "Pixels are integers of 8 or 16 bits, or floats in [0, 1] or [0, 255]."
_ROUNDING = 1e-3
"""Floats in [0, 1] may be outside by this much without a word: a resized image has rounding errors."""

_MOST_BYTE = 255
_LEAST_BYTE = 2.0
"""Floats above this are values up to 255. A data set whose largest value of 255 is 2 would be black."""

_OVERSHOOT = 0.1
"""How far values may be outside a range, as a share of the largest: a cubic filter overshoots. Standardised values are further out."""


_MOST_CUT = 0.1
"""Share of the values that may be above the range: an overshoot is at edges only."""

_DARK, _DARK_BYTE = 0.02, 16.0
"""Floats up to 1, and up to 255, that are all below these are almost black."""


@dataclass(frozen=True)
class Scale:
    """What white is in a data set: it decides which ranges its arrays have."""

    top: float | None = None
    """Largest of all floats; None if there are none."""

    bits: int | None = None
    """Significant bits of all integers; None if none is above 255."""

    @classmethod
    def of(cls, arrays: Sequence[NDArray[np.generic]]) -> "Scale":
        """The scale of all arrays together: a dark split is not brightened."""
        tops = [float(array.max()) for array in arrays if array.dtype.kind == "f" and array.size]
        wide = [array for array in arrays if array.dtype.kind in "iu" and array.itemsize > 1 and array.size]
        has_more = any(int(array.max()) > _MOST_BYTE for array in wide)
        return cls(max(tops) if tops else None, significant_bits(*wide) if has_more else None)


def as_uint8(pixels: NDArray[np.generic], *, scale: Scale | None = None) -> NDArray[np.uint8]:
    """Images as uint8 of the shape (N, H, W) or (N, H, W, 1, 3 or 4).

    Channels may come first where only the second dimension can be channels.

    Args:
        pixels: Integers in [0, 255], or in [0, 65535] with a range that is judged as that of 16-bit files is; floats in [0, 1] or
            [0, 255]; or truth values. Floats outside by a little are cut off: see `outside`.
        scale: That of the data set; None: that of the array.

    Raises:
        DataLayoutError: Another shape or range.
    """
    array = np.asarray(pixels)
    if is_channels_first(array.shape):
        array = np.ascontiguousarray(np.moveaxis(array, 1, -1))
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in CHANNELS):
        raise DataLayoutError(
            f"Images have the shape (N, H, W) or (N, H, W, 1, 3 or 4). Received: {tuple(np.shape(pixels))}.{_shape_cure(np.shape(pixels))}"
        )
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "b":
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "iuf":
        raise DataLayoutError(f"{_EXPECTED} Received: {array.dtype}. Convert it to one of these types.")
    scale = scale or Scale.of([array])
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    bits = scale.bits if array.itemsize > 1 else None
    if array.dtype.kind in "iu" and low >= (-NOISE * high if bits else 0) and high < 2**FULL_BITS:
        return _shifted(array, bits) if bits else array.astype(np.uint8)
    limit = _limit_of(array, low, high, scale)
    if limit:
        return np.round(np.clip(array, 0, limit) * (255 / limit)).astype(np.uint8)
    raise DataLayoutError(
        f"{_EXPECTED} Received: {array.dtype} in [{low:g}, {high:g}].{_cure(array.dtype.kind, low, high)}"
    )


def _shifted(array: NDArray[np.generic], bits: int) -> NDArray[np.uint8]:
    """The upper 8 of so many bits, one image at a time: arrays may take half of the memory."""
    done = np.empty(array.shape, np.uint8)
    for number, image in enumerate(array):
        done[number] = to_eight_bits(image, bits)
    return done


def _limit_of(array: NDArray[np.generic], low: float, high: float, scale: Scale) -> float | None:
    """White of floats: 1 or 255; None if they have neither range."""
    most = max(high, scale.top or 0.0)
    limit = 1.0 if most <= _LEAST_BYTE else 255.0
    is_low = low < -_OVERSHOOT * min(most, limit) - _ROUNDING
    if array.dtype.kind != "f" or is_low or not np.isfinite(low + high) or most > 255 * (1 + _OVERSHOOT):
        return None
    return limit


def check_range(name: str, pixels: NDArray[np.generic], scale: Scale) -> None:
    """Check that the floats of a data set were divided by the same number, and by no other than `as_uint8` expects.

    Args:
        name: The array.
        pixels: Any array of many images.
        scale: Of `as_uint8`.

    Raises:
        DataLayoutError: They end at 1 where others end at 255, or more than a tenth of them would be cut off.
    """
    top = scale.top
    if top is None or pixels.dtype.kind != "f" or not pixels.size:
        return
    if text := other_range(name, pixels, scale):
        raise DataLayoutError(text)
    high = float(pixels.max())
    share = (
        np.count_nonzero(np.greater(pixels, 1 + _ROUNDING)) / pixels.size if high > 1 and top <= _LEAST_BYTE else 0.0
    )
    if share > _MOST_CUT:
        raise DataLayoutError(
            f"{_EXPECTED} Received: {name} with floats up to {high:g}, of which {share:.0%} are above 1. Divide them by their largest "
            "possible value."
        )


def other_range(name: str, pixels: NDArray[np.generic], scale: Scale) -> str | None:
    """A sentence about floats up to 1 beside others up to 255, as which they would be black; None for other arrays.

    A dark image of whole values, such as 0 and 1, is not meant.
    """
    if scale.top is None or scale.top <= _LEAST_BYTE or pixels.dtype.kind != "f" or not pixels.size:
        return None
    high = float(pixels.max())
    if high > 1 + _ROUNDING or not any(np.mod(image, 1).any() for image in pixels):
        return None
    return f"The array {name} has floats up to {high:g}, and another one up to {scale.top:g}. {_EXPECTED} Bring all of them to the same range."


def outside(name: str, pixels: NDArray[np.generic], scale: Scale) -> str | None:
    """A sentence about floats that `as_uint8` cuts off; None if there are none.

    Args:
        name: The array.
        pixels: Any array.
        scale: Of `as_uint8`.
    """
    if pixels.dtype.kind != "f" or not pixels.size:
        return None
    low, high = float(pixels.min()), float(pixels.max())
    limit = _limit_of(pixels, low, high, scale)
    if limit is None or (low >= -_ROUNDING and high <= limit + _ROUNDING):
        return None
    values = pixels.astype(np.float64, copy=False)
    share = float(np.mean((values < 0) | (values > limit)))
    return f"The array {name} has floats in [{low:.3g}, {high:.3g}]: they are read as 0 to {limit:g}, and {share:.2%} of them are cut off."


def judged(name: str, pixels: NDArray[np.generic], scale: Scale) -> str | None:
    """A sentence about integers whose range `as_uint8` judges; None if there are none.

    Args:
        name: The array.
        pixels: Any array.
        scale: Of `as_uint8`.
    """
    if scale.bits is None or pixels.dtype.kind not in "iu" or pixels.itemsize == 1:
        return None
    return (
        f"The array {name} has integers above 255: by its largest values they are judged to have {scale.bits} bits. If images are to be "
        "compared by brightness, convert them to 8 bits first, all in the same way."
    )


def dark(name: str, pixels: NDArray[np.generic], scale: Scale) -> str | None:
    """A sentence about floats whose largest value is so far below white that their images are almost black; None for others."""
    if pixels.dtype.kind != "f" or not pixels.size or scale.top is None:
        return None
    white = 1 if scale.top <= _LEAST_BYTE else _MOST_BYTE
    if not 0 < scale.top < (_DARK if white == 1 else _DARK_BYTE):
        return None
    cause = "Were they divided by 255 twice?" if white == 1 else "If they are not, bring them to [0, 1]."
    return f"The array {name} has floats up to {scale.top:.3g}, which are read as 0 to {white}: its images are almost black. {cause}"


def is_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether images are (N, channels, H, W), and cannot be (N, H, W, channels)."""
    return len(shape) == 4 and shape[1] in CHANNELS and min(shape[2:]) > max(CHANNELS)


def pixel_warnings(name: str, pixels: NDArray[np.generic], scale: Scale) -> list[str]:
    """What was assumed about an array of pixels."""
    found = []
    if is_channels_first(pixels.shape):
        found.append(
            f"The array {name} {tuple(pixels.shape)} has its channels first: it is read as (N, channels, H, W)."
        )
    if cure := _axes_cure(pixels.shape):
        found.append(
            f"The array {name} {tuple(pixels.shape)} is read as {len(pixels):,} gray images of {pixels.shape[1]} x {pixels.shape[2]} pixels. {cure}"
        )
    if text := outside(name, pixels, scale) or judged(name, pixels, scale):
        found.append(text)
    elif pixels.dtype.kind == "f" and scale.top is not None and scale.top > _LEAST_BYTE:
        found.append(f"The array {name} has floats up to {scale.top:g}: they are read as values from 0 to 255.")
    if text := dark(name, pixels, scale):
        found.append(text)
    if pixels.dtype.kind in "iu" and pixels.size and (top := max(1, int(pixels.max()))) <= _DARK_BYTE:
        found.append(
            f"The array {name} has only the integers from 0 to {top}: its images are almost black. Multiply it by {_MOST_BYTE / top:g} if {top} "
            "is white."
        )
    return found


def _axes_cure(shape: tuple[int, ...]) -> str:
    """What to do if the first of three dimensions is not that of the images, as it seems; empty if it is."""
    if len(shape) != 3:
        return ""
    if shape[2] in CHANNELS or (shape[0] == 3 and shape[1] == shape[2]):
        return "If it is one image, give it as x[None]."
    is_last = shape[0] == shape[1] != shape[2]
    return "If the images come last, move them with np.moveaxis(x, -1, 0)." if is_last else ""


def _shape_cure(shape: tuple[int, ...]) -> str:
    if len(shape) == 2:
        return " Reshape rows of pixels with x.reshape(N, H, W, 3)."
    if len(shape) == 4:
        is_last = shape[2] in CHANNELS and shape[3] not in CHANNELS
        return (
            " Move images that come last with np.moveaxis(x, -1, 0)."
            if is_last
            else " Choose 1, 3 or 4 channels, such as x[..., :3]."
        )
    return " Bring it to this shape with reshape."


def _cure(kind: str, low: float, high: float) -> str:
    if kind == "i" and low < 0:
        return " Shift values with a sign to [0, 255], for example with x.astype(int) - x.min()."
    return _cure_of_range(low, high)


def _cure_of_range(low: float, high: float) -> str:
    if low != low or high in (float("inf"), float("-inf")):  # noqa: PLR0124 NaN differs from itself
        return " Replace NaN and infinite values first."
    if -1 <= low < 0 and high <= 1:
        return " Bring them to [0, 1], for example with (x + 1) / 2."
    if low < 0:
        return " They look standardised: undo it with x * std + mean, or bring them to [0, 1] with (x - x.min()) / (x.max() - x.min())."
    return " Divide them by their largest possible value."
