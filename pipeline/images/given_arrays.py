"""Arrays among the images that a user gives for prediction: which of their dimensions are images, and what was assumed about them."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.images.sources.arrays.pixels import CHANNELS, Scale, as_uint8, dark, judged, other_range, outside

_FEW_PIXELS = 7
"""An image that is not wider is probably the channels of another one."""

_FLAT = (64, 784, 3072)
"""Pixels of the rows of scikit-learn's digits, MNIST and CIFAR."""

_LONG = 8
"""An image with a side so many times the other is rather a table of rows."""

_MAX_ALIKE = 3


def split_array(array: NDArray[Any]) -> tuple[list[Any], list[str]]:
    """The images in one array, or the paths in a column, and sentences on what was assumed.

    Raises:
        DataLayoutError: It has several columns, or no valid shape or range of images.
    """
    if array.dtype.kind not in "biuf":
        if array.ndim > 2 or array.shape[1:] not in ((), (1,)):
            raise DataLayoutError(
                f"Expected one column of images. Received: the shape {array.shape}. Choose the column, such as X[['path']]."
            )
        return list(array.reshape(-1)), []
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in CHANNELS):
        return [array], _note_on_rows(array.shape) if array.ndim == 2 else []
    scale = Scale.of([array])
    notes = [_note_on_shape(array.shape), _note_on_range("given", array, scale)]
    return list(as_uint8(array, scale=scale)), [text for text in notes if text]


def notes_on(arrays: Mapping[str, NDArray[Any]], scale: Scale) -> list[str]:
    """What was assumed about the ranges of arrays, or may be wrong with them: the first sentences of many that are alike."""
    found = [text for name, array in arrays.items() if (text := _note_on_range(name, array, scale))]
    more = len(found) - _MAX_ALIKE
    return found[:_MAX_ALIKE] + ([f"{more:,} more arrays have such values."] if more > 0 else [])


def _note_on_rows(shape: tuple[int, ...]) -> list[str]:
    """A sentence about a gray image whose rows may be images."""
    height, width = shape
    is_long = max(shape) >= _LONG * max(1, min(shape))
    if min(shape) < 2 or not (is_long or width in _FLAT):
        return []
    cure = "If each row is an image, give them their shape with x.reshape(N, H, W)."
    return [f"The array {shape} is read as one gray image of {height} x {width} pixels. {cure}"]


def _note_on_range(name: str, array: NDArray[Any], scale: Scale) -> str | None:
    for note in (other_range, outside, judged, dark):
        if text := note(name, array, scale):
            return text
    return None


def _note_on_shape(shape: tuple[int, ...]) -> str | None:
    """A sentence about three dimensions that may be one image."""
    if len(shape) != 3:
        return None
    if shape[0] in CHANNELS:
        cure = "If it is one image with its channels first, give it in a list."
    elif shape[2] <= _FEW_PIXELS:
        cure = f"They have {shape[1]} x {shape[2]} pixels; if it is one image, choose 1, 3 or 4 of its channels."
    else:
        return None
    return f"The array {shape} is read as {shape[0]} gray images. {cure}"
