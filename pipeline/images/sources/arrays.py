"""Manifests of arrays: `.npz` files, and the data sets of scikit-learn and Keras.

An image of an array is identified by the SHA-256 of its pixels in `.npy` format, so it has a row key like a file.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, check_choice
from pipeline.files import replacing
from pipeline.images.decode import encode_array
from pipeline.images.manifest import Manifest
from pipeline.images.reading import Reading
from pipeline.images.splits import complete_splits

KERAS_DATASETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_NAMED_LABELS = {"cifar10": CIFAR10, "fashion_mnist": FASHION}


@dataclass(frozen=True)
class Arrays:
    """Images that are rows of one array: uint8 of shape (N, H, W) or (N, H, W, channels)."""

    pixels: NDArray[np.uint8]

    def read(self, position: int) -> bytes:
        return encode_array(self.pixels[position])


def array_manifest(
    pixels: NDArray[np.generic],
    labels: NDArray[np.generic] | None = None,
    *,
    splits: list[str | None] | None = None,
    reading: Reading | None = None,
    title: str = "arrays",
) -> Manifest:
    """The manifest of an array of images.

    Args:
        pixels: Shape (N, H, W), (N, H, W, 1), (N, H, W, 3) or (N, H, W, 4); integers in [0, 255], or floats in [0, 1].
        labels: Shape (N,) or (N, 1); None where there are none.
        splits: The split of each image; None for an image whose split is not set.
        reading: Shares of the splits that are not set; default 80/10/10.
        title: Short name of the data set.

    Raises:
        DataLayoutError: The array has no valid shape or range of images, or the lengths differ.
    """
    reading = reading or Reading()
    images = Arrays(as_uint8(pixels))
    count = len(images.pixels)
    flat = None if labels is None else np.asarray(labels).reshape(-1)
    if count == 0 or (flat is not None and len(flat) != count):
        raise DataLayoutError(
            f"x and y must have the same length, above 0. Received: x {tuple(pixels.shape)}, y {None if flat is None else flat.shape}."
        )
    digests = tuple(hashlib.sha256(images.read(position)).digest() for position in range(count))
    return Manifest(
        images=images,
        positions=tuple(range(count)),
        names=tuple(f"#{position}" for position in range(count)),
        digests=digests,
        labels=tuple(None if flat is None else _label(flat[position]) for position in range(count)),
        splits=complete_splits(splits or [None] * count, digests, reading.fractions, reading.split_seed),
        title=title,
    )


def scan_npz(path: Path, reading: Reading) -> Manifest:
    """The manifest of an `.npz` file with `x` and `y`, or `x_train`, `y_train`, `x_test`, `y_test` (and `x_validation`).

    `reading.label` names another array of labels, such as `y_coarse`.

    Raises:
        DataLayoutError: The file contains none of these arrays, or contains Python objects.
    """
    return _manifest_of(_read_npz(path), reading, path.stem)


def scan_sklearn(name: str, reading: Reading) -> Manifest:
    """`digits`: 1,797 scans of handwritten digits, 8x8 px grayscale, a part of scikit-learn (UCI, CC BY 4.0).

    Raises:
        SettingError: Another name.
    """
    check_choice("data set of scikit-learn", name, ("digits",))
    from sklearn.datasets import load_digits

    digits = load_digits()
    # Gray levels from 0 to 16 become 8 bits.
    pixels = np.round(digits.images * (255 / 16)).astype(np.uint8)
    return array_manifest(pixels, digits.target, reading=reading, title="digits")


def scan_keras(name: str, reading: Reading) -> Manifest:
    """A data set of keras.datasets, with its own test split. The labels of cifar100 are `fine` (default) or `coarse`.

    The arrays are kept as an `.npz` file below `reading.home`, so that later calls do not import Keras.

    Raises:
        SettingError: Keras has no such data set, or the data set no such labels.
        DataLayoutError: The download failed.
    """
    check_choice("data set of Keras", name, KERAS_DATASETS)
    choices = {"label": "fine", "fine": "fine", "coarse": "coarse"} if name == "cifar100" else {"label": ""}
    check_choice(f"label of keras:{name}", reading.label, tuple(choices))
    mode = choices[reading.label]
    kept = reading.home / "datasets" / f"keras-{name}{'-' + mode if mode else ''}.npz"
    if not kept.exists():
        _keep(kept, _load_keras(name, mode))
    return _manifest_of(_read_npz(kept), replace(reading, label="label"), name)


def _read_npz(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        # If numpy opened the file itself, it would leave it open after an error.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataLayoutError(f"{path} is not an .npz file of plain arrays: {error}.") from error


def _load_keras(name: str, mode: str) -> dict[str, NDArray[np.generic]]:
    import keras

    module = getattr(keras.datasets, name)
    try:
        (x_train, y_train), (x_test, y_test) = module.load_data(label_mode=mode) if mode else module.load_data()
    except Exception as error:  # get_file raises a bare Exception when the download fails
        raise DataLayoutError(
            f"Keras could not load {name}: {error}. Put its archive into the datasets folder of Keras, or give the "
            "images as a folder or an .npz file."
        ) from error
    named = _NAMED_LABELS.get(name)
    if named:
        y_train, y_test = (np.array(named)[np.asarray(y).reshape(-1)] for y in (y_train, y_test))
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def _keep(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    with replacing(path) as beside:
        np.savez_compressed(beside, allow_pickle=False, **dict(arrays))


def _manifest_of(arrays: Mapping[str, NDArray[np.generic]], reading: Reading, title: str) -> Manifest:
    """Join x/y, or x_train/x_validation/x_test, into one manifest."""
    y_name = "y" if reading.label == "label" else reading.label
    if "x" in arrays:
        parts: list[tuple[str | None, str, str]] = [(None, "x", y_name)]
    else:
        parts = [(s, f"x_{s}", f"{y_name}_{s}") for s in ("train", "validation", "test") if f"x_{s}" in arrays]
    if not parts:
        raise DataLayoutError(
            f"Expected arrays named x and y, or x_train, y_train, x_test, y_test. Received: {sorted(arrays)}."
        )
    missing = [y for _, _, y in parts if y not in arrays]
    if missing and reading.label != "label":
        raise DataLayoutError(f"There is no label array {missing}. Received: {sorted(arrays)}.")
    images = [as_uint8(arrays[x]) for _, x, _ in parts]
    if len({part.shape[1:] for part in images}) > 1:
        raise DataLayoutError(
            f"All images must have the same shape. Received: {[tuple(part.shape) for part in images]}."
        )
    pixels = np.concatenate(images)
    flat = [] if missing else [np.asarray(arrays[y]).reshape(-1) for _, _, y in parts]
    # For each part: if only the sums of the lengths were equal, labels would be shifted.
    for (_, x, y), part, part_labels in zip(parts, images, flat, strict=False):
        if len(part) != len(part_labels):
            raise DataLayoutError(
                f"{x} and {y} must have the same length. Received: {len(part)} and {len(part_labels)}."
            )
    labels = None if missing else np.concatenate(flat)
    splits = [split for split, x, _ in parts for _ in range(len(arrays[x]))]
    return array_manifest(pixels, labels, splits=splits, reading=reading, title=title)


def _label(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def as_uint8(pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Images as uint8, of the same shape: (N, H, W) or (N, H, W, 1, 3 or 4).

    Raises:
        DataLayoutError: Another shape, or pixels that are neither integers in [0, 255] nor floats in [0, 1].
    """
    array = np.asarray(pixels)
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3, 4)):
        raise DataLayoutError(
            f"Images have the shape (N, H, W) or (N, H, W, 1, 3 or 4). Received: {tuple(array.shape)}."
        )
    if array.dtype == np.uint8:
        return array
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if array.dtype.kind in "iu" and low >= 0 and high <= 255:
        return array.astype(np.uint8)
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.round(array * 255).astype(np.uint8)
    raise DataLayoutError(
        f"Pixels are integers in [0, 255] or floats in [0, 1]. Received: {array.dtype} in [{low:g}, {high:g}]."
    )
