"""Arrays of pixels as people have them, as uint8."""

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError

CHANNELS = (1, 3, 4)
_EXPECTED = "Pixels are integers in [0, 255], or floats in [0, 1] or [0, 255]."
_ROUNDING = 1e-3
"""Floats in [0, 1] may be outside by this much without a word: a resized image has rounding errors."""

_LEAST_BYTE = 2.0
"""Floats above this are values up to 255. A data set whose largest value of 255 is 2 would be black."""

_OVERSHOOT = 0.1
"""How far values may be outside a range, as a share of the largest: a cubic filter overshoots. Standardised values are further out."""


def as_uint8(pixels: NDArray[np.generic], *, top: float | None = None) -> NDArray[np.uint8]:
    """Images as uint8 of the shape (N, H, W) or (N, H, W, 1, 3 or 4).

    Channels may come first where only the second dimension can be channels.

    Args:
        pixels: Integers in [0, 255], floats in [0, 1] or [0, 255], or truth values. Floats outside by a little are cut off: see
            `outside`.
        top: The largest value of the data set, which decides which of both ranges floats have; None: that of the array.

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
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if array.dtype.kind in "iu" and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    limit = _limit_of(array, low, high, top)
    if limit:
        return np.round(np.clip(array, 0, limit) * (255 / limit)).astype(np.uint8)
    raise DataLayoutError(
        f"{_EXPECTED} Received: {array.dtype} in [{low:g}, {high:g}].{_cure(array.dtype.kind, low, high)}"
    )


def _limit_of(array: NDArray[np.generic], low: float, high: float, top: float | None) -> float | None:
    """White of floats: 1 or 255; None if they have neither range."""
    most = max(high, top or 0.0)
    limit = 1.0 if most <= _LEAST_BYTE else 255.0
    is_low = low < -_OVERSHOOT * min(most, limit) - _ROUNDING
    if array.dtype.kind != "f" or is_low or not np.isfinite(low + high) or most > 255 * (1 + _OVERSHOOT):
        return None
    return limit


def outside(name: str, pixels: NDArray[np.generic], top: float | None) -> str | None:
    """A sentence about floats that `as_uint8` cuts off; None if there are none.

    Args:
        name: The array.
        pixels: Any array.
        top: Of `as_uint8`.
    """
    if pixels.dtype.kind != "f" or not pixels.size:
        return None
    low, high = float(pixels.min()), float(pixels.max())
    limit = _limit_of(pixels, low, high, top)
    if limit is None or (low >= -_ROUNDING and high <= limit + _ROUNDING):
        return None
    values = pixels.astype(np.float64, copy=False)
    share = float(np.mean((values < 0) | (values > limit)))
    return f"The array {name} has floats in [{low:.3g}, {high:.3g}]: they are read as 0 to {limit:g}, and {share:.2%} of them are cut off."


def is_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether images are (N, channels, H, W), and cannot be (N, H, W, channels)."""
    return len(shape) == 4 and shape[1] in CHANNELS and min(shape[2:]) > max(CHANNELS)


def float_top(arrays: list[NDArray[np.generic]]) -> float | None:
    """Largest value of all arrays of floats; None if there are none."""
    tops = [float(array.max()) for array in arrays if array.dtype.kind == "f" and array.size]
    return max(tops) if tops else None


def pixel_warnings(name: str, pixels: NDArray[np.generic], top: float | None) -> list[str]:
    """What was assumed about an array of pixels."""
    found = []
    if is_channels_first(pixels.shape):
        found.append(
            f"The array {name} {tuple(pixels.shape)} has its channels first: it is read as (N, channels, H, W)."
        )
    if cut := outside(name, pixels, top):
        found.append(cut)
    elif pixels.dtype.kind == "f" and top is not None and top > _LEAST_BYTE:
        found.append(f"The array {name} has floats up to {top:g}: they are read as values from 0 to 255.")
    if pixels.dtype.kind in "iu" and pixels.size and pixels.max() <= 1:
        found.append(
            f"The array {name} has only the integers 0 and 1: its images are almost black. Multiply it by 255 if 1 is white."
        )
    return found


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
