"""Arrays in Python as a data set: images with labels, the pairs that keras.datasets loads, or arrays by their names."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.images.manifest import Manifest
from pipeline.images.sources.arrays.arrays import manifest_of_arrays
from pipeline.images.sources.reading import Reading

_SPLITS = {2: ("train", "test"), 3: ("train", "validation", "test")}
"""What two and three pairs are."""

EXPECTED = (
    "an array of images, arrays as (images, labels), as ((x_train, y_train), (x_test, y_test)) with a pair for validation between them if there is one, or "
    "by name: {'x_train': ..., 'y_train': ..., 'x_test': ..., 'y_test': ...}"
)


def is_arrays(data: object) -> bool:
    """Whether this is an array of images, or a tuple or a mapping that has one."""
    if isinstance(data, Mapping):
        return any(map(_has_images, data.values()))
    if isinstance(data, tuple):
        return any(
            _has_images(part) or (isinstance(part, tuple | list) and any(map(_has_images, part))) for part in data
        )
    return _has_images(data)


def scan_arrays(data: Any, reading: Reading) -> Manifest:
    """The manifest of arrays, read as those of an `.npz` file are.

    Args:
        data: What `is_arrays` is true of. Arrays are what NumPy makes an array of, such as tensors and columns of a frame; labels may be lists.
        reading: How it is read.

    Raises:
        DataLayoutError: The arrays are others than `EXPECTED`, or not usable.
    """
    named = data if isinstance(data, Mapping) else _named(data if isinstance(data, tuple) else (data, None))
    arrays = {str(name): _plain(str(name), value) for name, value in named.items() if value is not None}
    return manifest_of_arrays(arrays, reading, "arrays", "the data")


def _named(data: tuple[Any, ...]) -> dict[str, Any]:
    """Images and labels, or pairs of them under the names of their splits."""
    if len(data) == 2 and _has_images(data[0]) and not _has_images(data[1]):
        return {"x": data[0], "y": data[1]}
    if len(data) in _SPLITS and all(_is_pair(part) for part in data):
        pairs = zip(_SPLITS[len(data)], data, strict=True)
        return {f"{letter}_{split}": value for split, pair in pairs for letter, value in zip("xy", pair, strict=True)}
    raise DataLayoutError(f"Expected {EXPECTED}. Received: a tuple of {', '.join(map(_shown, data))}.")


def _is_pair(part: Any) -> bool:
    return isinstance(part, tuple | list) and len(part) == 2 and _has_images(part[0]) and not _has_images(part[1])


def _has_images(value: object) -> bool:
    """Whether an array has the dimensions of images."""
    return hasattr(value, "__array__") and len(getattr(value, "shape", ())) > 2


def _plain(name: str, value: Any) -> NDArray[np.generic]:
    """The array; texts that are Python objects, as pandas has them, become texts of NumPy, and what is missing among them an empty one.

    Raises:
        DataLayoutError: It contains other Python objects.
    """
    try:
        array: NDArray[np.generic] = np.asarray(value)
    except ValueError as error:
        raise DataLayoutError(f"{name!r} is no array: {error}. Expected {EXPECTED}.") from error
    if array.dtype != object:
        return array
    texts = ["" if text is None or text != text else text for text in array] if array.ndim == 1 else []  # noqa: PLR0124 NaN
    if texts and all(isinstance(text, str) for text in texts):
        return np.array(texts)
    raise DataLayoutError(
        f"{name!r} contains Python objects. Expected numbers, or texts; images of several sizes belong into files, or encoded into "
        "the column image of a frame."
    )


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"an array {tuple(shape)}"
