"""What the arrays of an `.npz` file are, by their names: images or labels, and of which split."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.words import SPLIT_WORDS, normalize

Arrays = Mapping[str, NDArray[np.generic]]

_IMAGES = frozenset(
    ["x", "xs", "image", "images", "img", "imgs", "data", "pixels", "photo", "photos", "picture", "pictures"]
)
_LABELS = frozenset(["y", "ys", "label", "labels", "lbl", "lbls", "target", "targets", "class", "classes"])
_INDICES = frozenset(["idx", "idxs", "index", "indices", "indexes", "inds", "id", "ids"])
_FILLERS = frozenset(["set", "split", "arr", "array"])
_JOINED = re.compile(
    r"(xs?|ys?)(" + "|".join(SPLIT_WORDS) + r")|(" + "|".join(SPLIT_WORDS) + r")(xs?|ys?|set|images|labels|data)"
)
_UNNAMED = re.compile(r"arr_\d+")
EXPECTED = "arrays named x and y, or x_train, y_train, x_test, y_test"

_RENAME = "Save them under these names: np.savez('data.npz', x=images, y=labels)."


@dataclass(frozen=True)
class Part:
    """The images of one split, or of all."""

    split: str | None
    images: str
    """Name of the array."""

    labels: str | None = None
    """Name of the array; None if there are no labels."""


def find_parts(arrays: Arrays, reading: Reading) -> list[Part]:
    """The arrays of images with their labels: train, validation and test, or one part without a split.

    Known names are read in any spelling and order of words: `x_train`, `trainX`, `train_images`, `val_labels`, `images`.

    Raises:
        DataLayoutError: There are no images, or no labels of the name that the user gave; or it is a question what an array is.
    """
    ignored = {_ignored(arrays, name) for name in reading.ignore_column}
    arrays = {name: array for name, array in arrays.items() if name not in ignored}
    if arrays and all(map(_UNNAMED.fullmatch, arrays)):
        return [_find_unnamed(arrays, reading)]
    images: dict[str | None, str] = {}
    labels: dict[str | None, str] = {}
    for name in arrays:
        split, kind = _meaning(name, reading.label)
        if kind is None:
            continue
        found = images if kind == "images" else labels
        if split in found:
            raise DataLayoutError(
                f"The arrays {found[split]!r} and {name!r} could both be the {kind} of {split or 'the data'}. Leave one out with "
                "--ignore-column."
            )
        found[split] = name
    if not images:
        raise DataLayoutError(f"Expected {EXPECTED}. Received: {_shapes(arrays)}. {_RENAME}")
    if reading.label != "label" and set(images) - set(labels):
        missing = [f"{reading.label}_{split}" if split else reading.label for split in images if split not in labels]
        raise DataLayoutError(f"There is no label array {missing}. Received: {sorted(arrays)}.")
    _check_leftovers(arrays, images, labels)
    order = [None, "train", "validation", "test"]
    return [Part(split, images[split], labels.get(split)) for split in sorted(images, key=order.index)]


def _find_unnamed(arrays: Arrays, reading: Reading) -> Part:
    """The images, and the labels if there are some, of a file that `np.savez` wrote without names: `arr_0`, `arr_1`.

    Raises:
        DataLayoutError: Their shapes do not say which is which.
    """
    images = [name for name, array in arrays.items() if array.ndim > 2]
    labels = [name for name in arrays if name not in images]
    if len(images) != 1 or len(labels) > 1:
        raise DataLayoutError(f"The arrays have no names. Received: {_shapes(arrays)}. Expected {EXPECTED}. {_RENAME}")
    if reading.label != "label" and reading.label not in labels:
        raise DataLayoutError(f"There is no label array {reading.label!r}. Received: {sorted(arrays)}.")
    return Part(None, images[0], labels[0] if labels else None)


def _shapes(arrays: Arrays) -> str:
    return ", ".join(f"{name} {tuple(array.shape)}" for name, array in sorted(arrays.items()))


def label_choices(arrays: Arrays, parts: list[Part]) -> tuple[str, ...]:
    """Other arrays that could be labels: one value for each image."""
    used = {part.images for part in parts}
    lengths = {len(arrays[name]) for name in used}
    return tuple(
        name for name, array in arrays.items() if name not in used and array.ndim in (1, 2) and len(array) in lengths
    )


def _meaning(name: str, label: str) -> tuple[str | None, str | None]:
    """The split in an array's name, and `images`, `labels` or None."""
    words = _words(name)
    splits = [SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS]
    rest = [word for word in words if word not in SPLIT_WORDS and word not in _FILLERS]
    split = splits[0] if splits else None
    if len(splits) > 1:
        return None, None
    own = [word for word in _words(label) if word not in SPLIT_WORDS]
    if label != "label" and rest == own:
        return split, "labels"
    if rest and set(rest) <= _IMAGES:
        return split, "images"
    if label == "label" and rest and rest[-1] in _LABELS and set(rest) <= _IMAGES | _LABELS:
        return split, "labels"
    return None, None


def _words(name: str) -> list[str]:
    words: list[str] = []
    for word in normalize(name).split():
        joined = _JOINED.fullmatch(word)
        words += [part for part in joined.groups() if part] if joined else [word]
    return words


def _check_leftovers(arrays: Arrays, images: Mapping[str | None, str], labels: Mapping[str | None, str]) -> None:
    """Ask about arrays that look as if they belonged to the data and are not used."""
    used = [*images.values(), *labels.values()]
    shapes = {arrays[name].shape[1:] for name in images.values()}
    if None in images and len(images) > 1:
        raise DataLayoutError(
            f"The array {images[None]!r} belongs to no split, beside {sorted(set(images.values()) - {images[None]})}. Leave it or the others out "
            "with --ignore-column."
        )
    for name, array in arrays.items():
        if name in used:
            continue
        words = _words(name)
        if None in images and set(words) & SPLIT_WORDS.keys() and set(words) & _INDICES:
            raise DataLayoutError(
                f"The array {name!r} {tuple(array.shape)} seems to say which images of {images[None]!r} are in a split, and is not used. Make an "
                f"array `split` with train, validation or test for each image, or leave it out with --ignore-column {name}."
            )
        is_named = bool(_IMAGES & set(words)) and not _LABELS & set(words) and array.ndim > 1
        without_images = bool(_LABELS & set(words)) and _meaning(name, "label") not in (
            (None, None),
            *((split, "labels") for split in images),
        )
        if is_named or without_images or (array.ndim > 2 and array.shape[1:] in shapes):
            raise DataLayoutError(
                f"The array {name!r} {tuple(array.shape)} looks like data and is not used. Known are {EXPECTED}, and x_val. "
                f"Rename it, or leave it out with --ignore-column {name}."
            )


def _ignored(arrays: Arrays, name: str) -> str:
    if name not in arrays:
        raise DataLayoutError(f"There is no array {name!r} to ignore. The arrays are {sorted(arrays)}.")
    return name


def name_warnings(parts: Sequence[Part]) -> list[str]:
    """What was assumed about arrays without names."""
    return [
        f"The arrays have no names: {part.images} is read as the images"
        + (f", {part.labels} as their labels." if part.labels else ".")
        for part in parts
        if _UNNAMED.fullmatch(part.images)
    ]
