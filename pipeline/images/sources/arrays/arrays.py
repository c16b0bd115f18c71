"""Manifests of arrays: `.npz` and `.npy` files, and the data sets of scikit-learn and Keras.

An image of an array is identified by the SHA-256 of its pixels in `.npy` format, so it has a row key like a file.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, check_choice, foreign_file
from pipeline.files import replacing
from pipeline.images.answers import Answers
from pipeline.images.decoding.decoder import encode_array
from pipeline.images.manifest import Manifest
from pipeline.images.sources.arrays.array_columns import find_columns, named_by_column
from pipeline.images.sources.arrays.array_labels import answers_of_arrays
from pipeline.images.sources.arrays.array_names import Part, find_parts, label_choices, name_warnings
from pipeline.images.sources.arrays.class_names import ClassNames, find_class_names
from pipeline.images.sources.arrays.npz import read_npy, read_npz
from pipeline.images.sources.arrays.pixels import CHANNELS, Scale, as_uint8, check_range, judged, pixel_warnings
from pipeline.images.sources.columns import group_splits, split_notes
from pipeline.images.sources.reading import Reading
from pipeline.images.splits import rule_of
from pipeline.images.summary import Ignored

KERAS_DATASETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_ARRAY = "array "
"""Beginning of the kind of an array that is ignored."""

_NAMED_LABELS = {"cifar10": CIFAR10, "fashion_mnist": FASHION}


@dataclass(frozen=True)
class Arrays:
    """Images that are rows of one array: uint8 of shape (N, H, W) or (N, H, W, channels)."""

    pixels: NDArray[np.uint8]

    def read(self, position: int) -> bytes:
        return encode_array(self.pixels[position])


def array_manifest(
    pixels: NDArray[np.generic],
    labels: NDArray[np.generic] | Answers | None = None,
    *,
    splits: list[str | None] | None = None,
    groups: list[str | None] | None = None,
    reading: Reading | None = None,
    title: str = "arrays",
) -> Manifest:
    """The manifest of an array of images.

    Args:
        pixels: Shape (N, H, W), (N, H, W, 1), (N, H, W, 3) or (N, H, W, 4); what `as_uint8` takes.
        labels: Answers for N images, or an array that `answers_of_arrays` takes.
        splits: The split of each image; None for an image whose split is not set.
        groups: The group of each image; all images of a group are in one split.
        reading: Shares of the splits that are not set; default 80/10/10.
        title: Short name of the data set.

    Raises:
        DataLayoutError: The array has no valid shape or range of images, or the lengths differ.
    """
    reading = reading or Reading()
    scale = Scale.of([pixels])
    images = Arrays(as_uint8(pixels, scale=scale))
    count = len(images.pixels)
    answers = answers_of_arrays([labels], kind=reading.task)[0] if isinstance(labels, np.ndarray) else labels
    if count == 0 or (answers is not None and len(answers.labels) != count):
        received = None if answers is None else (len(answers.labels),)
        raise DataLayoutError(
            f"x and y must have the same length, above 0. Received: x {tuple(pixels.shape)}, y {received}."
        )
    answers = answers or Answers((None,) * count)
    given = splits or [None] * count
    digests = tuple(hashlib.sha256(images.read(position)).digest() for position in range(count))
    shares = group_splits(given, groups, digests, reading, answers.labels, answers.kind)
    return Manifest(
        images=images,
        positions=tuple(range(count)),
        names=tuple(f"#{position}" for position in range(count)),
        digests=digests,
        labels=answers.labels,
        kind=answers.kind,
        target_names=answers.names,
        splits=shares,
        groups=tuple(groups or ()),
        warnings=(
            *filter(None, [judged("of images", pixels, scale)]),
            *answers.notes,
            *split_notes(given, groups, shares),
        ),
        title=title,
        split_rule=rule_of(given, reading.fractions, reading.split_seed),
    )


def scan_npz(path: Path, reading: Reading) -> Manifest:
    """The manifest of an `.npz` or `.npy` file.

    An `.npz` file has `x` and `y`, or `x_train`, `y_train`, `x_test`, `y_test` (and `x_validation`); an `.npy` file one array of images,
    which have no labels. Other spellings are known too: see `find_parts`. `reading.label` names another array of labels, such as `y_coarse`.

    Raises:
        DataLayoutError: The file contains none of these arrays, or contains Python objects.
    """
    return manifest_of_arrays(_read_npz(path), reading, path.stem, path.name)


def list_npz(path: Path, reading: Reading) -> Manifest:
    """The images of an `.npz` or `.npy` file, without labels: what a prediction needs. Splits and groups are not looked at.

    Raises:
        DataLayoutError: As in `scan_npz`.
    """
    arrays = _read_npz(path)
    return _without_labels(_find_images(arrays, _ignoring_arrays(arrays, reading)), path.stem)


def list_arrays(path: Path, ignored: Iterable[str], label: str | None) -> Manifest:
    """The images of an `.npz` or `.npy` file as a run has used it, without labels; what its other arrays mean is not asked again.

    Args:
        path: The file.
        ignored: Kinds of what the run ignored.
        label: The array of labels that the user named; None: none.

    Raises:
        DataLayoutError: As in `scan_npz`.
    """
    unused = [kind.removeprefix(_ARRAY) for kind in ignored if kind.startswith(_ARRAY)]
    arrays = _without(_read_npz(path), *unused)
    return _without_labels(_find_images(arrays, Reading(label=label or "label")), path.stem)


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
    manifest = manifest_of_arrays(_read_npz(kept), replace(reading, label="label"), name, f"keras:{name}")
    return replace(manifest, label_column=mode or None)


def _read_npz(path: Path) -> dict[str, NDArray[np.generic]]:
    ending = path.suffix.lower()
    with foreign_file(path, f"is not an {ending} file of plain arrays", error_type=DataLayoutError):
        try:
            if ending == ".npy":
                array = read_npy(path)
                return {"x": array[None] if array.ndim == 3 and array.shape[2] in CHANNELS else array}
            found = read_npz(path)
        except ValueError as error:
            if "allow_pickle" not in str(error):
                raise
            raise DataLayoutError(
                f"{path} holds Python objects, which could run code when they are read, so they are not. Save texts with y.astype(str), "
                "and images of one size with np.stack; images of several sizes belong into files."
            ) from None
        foreign = [name for name, array in found.items() if not isinstance(array, np.ndarray)]
        if foreign:
            raise ValueError(f"it also holds {foreign}")
        return found


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


@dataclass(frozen=True)
class _Images:
    """The arrays of images in a file."""

    class_names: ClassNames | None
    parts: list[Part]
    pixels: list[NDArray[np.uint8]]
    """Of each part."""

    warnings: list[str]


def _find_images(arrays: Mapping[str, NDArray[np.generic]], reading: Reading) -> _Images:
    """x, or x_train, x_validation and x_test, of one shape and range.

    Raises:
        DataLayoutError: There are none, or it is a question what an array is.
    """
    names = find_class_names(_without(arrays, *reading.ignore_column), reading.label)
    parts = find_parts(arrays if names is None else _without(arrays, *names.arrays), reading)
    given = [arrays[part.images] for part in parts]
    scale = Scale.of(given)
    warnings = name_warnings(parts)
    for part, array in zip(parts, given, strict=True):
        check_range(part.images, array, scale)
        warnings += pixel_warnings(part.images, array, scale)
    pixels = [as_uint8(array, scale=scale) for array in given]
    if len({part.shape[1:] for part in pixels}) > 1:
        raise DataLayoutError(
            f"All images must have the same shape. Received: {[tuple(part.shape) for part in pixels]}."
        )
    return _Images(names, parts, pixels, warnings)


def _without_labels(images: _Images, title: str) -> Manifest:
    found = array_manifest(np.concatenate(images.pixels), title=title)
    return replace(found, warnings=(*images.warnings, *found.warnings))


def manifest_of_arrays(
    arrays: Mapping[str, NDArray[np.generic]], reading: Reading, title: str, source: str
) -> Manifest:
    """The manifest of arrays by their names: x and y, or x_train, x_validation and x_test with theirs; see `find_parts`.

    Args:
        arrays: Images, labels and others.
        reading: How they are read.
        title: Short name of the data set.
        source: What has the arrays, for messages.

    Raises:
        DataLayoutError: There are no images, the arrays do not fit, or it is a question what one is.
    """
    reading = _ignoring_arrays(arrays, reading)
    images = _find_images(arrays, reading)
    names, parts = images.class_names, images.parts
    _check_lengths(arrays, parts)
    answers, is_named = _answers(arrays, parts, reading, names)
    counts = {part.split: len(pixels) for part, pixels in zip(parts, images.pixels, strict=True)}
    splits = [split for split, count in counts.items() for _ in range(count)]
    used = [name for part in parts for name in (part.images, part.labels) if name]
    columns = find_columns(_without(arrays, *reading.ignore_column, *used), counts, reading, source)
    roles = columns.roles
    found = array_manifest(
        np.concatenate(images.pixels),
        answers,
        splits=splits if roles.splits is None else list(roles.splits),
        groups=columns.groups,
        reading=reading,
        title=title,
    )
    warnings = [*images.warnings]
    if names is not None and answers is not None and not is_named:
        warnings.append(names.warning(answers.labels))
    choices = () if any(part.labels for part in parts) else label_choices(arrays, parts)
    column = reading.label if reading.label != "label" else None
    return replace(
        found,
        ignored=_unused(arrays, [*used, *columns.used, *(names.arrays if is_named and names is not None else ())]),
        warnings=(*warnings, *roles.warnings, *found.warnings),
        label_choices=choices,
        label_column=column,
    )


def _ignoring_arrays(arrays: Mapping[str, NDArray[np.generic]], reading: Reading) -> Reading:
    """With the names of arrays in the place of those of their columns."""
    ignored = [array for name in reading.ignore_column for array in named_by_column(arrays, name)]
    return replace(reading, ignore_column=tuple(ignored))


def _without(arrays: Mapping[str, NDArray[np.generic]], *names: str) -> dict[str, NDArray[np.generic]]:
    return {name: array for name, array in arrays.items() if name not in names}


def _unused(arrays: Mapping[str, NDArray[np.generic]], used: Sequence[str]) -> tuple[Ignored, ...]:
    """Arrays that are neither images nor labels, their names, splits or groups."""
    return tuple(Ignored(f"{_ARRAY}{name}", 1) for name in arrays if name not in used)


def _check_lengths(arrays: Mapping[str, NDArray[np.generic]], parts: Sequence[Part]) -> None:
    """Check each part: if only the sums of the lengths were equal, labels would be shifted."""
    for part in parts:
        images, labels = len(arrays[part.images]), arrays.get(part.labels or "")
        count = None if labels is None else len(labels) if labels.ndim else "a single value"
        if count not in (None, images):
            raise DataLayoutError(
                f"{part.images} and {part.labels} must have the same length. Received: {images} and {count}."
            )


def _answers(
    arrays: Mapping[str, NDArray[np.generic]], parts: Sequence[Part], reading: Reading, names: ClassNames | None
) -> tuple[Answers | None, bool]:
    """The answers of all parts, and whether the names of the classes were used; None if no part has labels."""
    labelled = [arrays.get(part.labels or "") for part in parts]
    known = [array for array in labelled if array is not None]
    if not known:
        return None, False
    name = str(next(part.labels for part in parts if part.labels))
    answers, is_named = answers_of_arrays(known, name, reading.task, names)
    if len(known) == len(parts):
        return answers, is_named
    labels: list[str | None] = []
    given = iter(answers.labels)
    for part, array in zip(parts, labelled, strict=True):
        count = len(arrays[part.images])
        labels += [None] * count if array is None else [next(given) for _ in range(count)]
    return replace(answers, labels=tuple(labels)), is_named
