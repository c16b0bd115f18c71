"""Names of classes in an `.npz` file, beside labels that are numbers: `class_names`, `label_names`, `target_names`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.images.labels import label_text, plain_texts
from pipeline.images.sources.words import normalize

_OF_CLASSES = frozenset(["class", "label", "lbl", "target", "category", "y"])
_NAMES = frozenset(["name", "text", "string"])
_PLURALS = {"classes": "class", "class": "class", "categories": "category"}


@dataclass(frozen=True)
class ClassNames:
    """Names of K classes: name k is that of the label k."""

    arrays: tuple[str, ...]
    """Names of the arrays that hold them: one, or several that are equal."""

    names: tuple[str, ...]

    def apply(self, labels: Sequence[str | None]) -> list[str | None] | None:
        """The names of labels; None if one of them is not a number from 0 to K - 1."""
        numbers = {str(number): name for number, name in enumerate(self.names)}
        if not all(label is None or label in numbers for label in labels):
            return None
        return [None if label is None else numbers[label] for label in labels]

    def warning(self, labels: Sequence[str | None]) -> str:
        """Why the names are not used for these labels."""
        other = next(
            label for label in labels if label is not None and label not in set(map(str, range(len(self.names))))
        )
        return (
            f"The {len(self.names):,} names in the array {self.arrays[0]} are not used: they are for labels from 0 to {len(self.names) - 1:,}, and "
            f"there is a label {other!r}. Count the labels from 0, or give texts as labels."
        )


def find_class_names(arrays: Mapping[str, NDArray[np.generic]], label: str) -> ClassNames | None:
    """The names of the classes, if an array of another length than the images has some.

    Args:
        arrays: All arrays by name.
        label: The array of labels as the user named it, such as `coarse_labels`, for which `coarse_label_names` are; `label` for the usual.

    Raises:
        DataLayoutError: Two arrays could be the names, and they differ.
    """
    lengths = [len(array) for array in arrays.values() if array.ndim > 2]
    if not any(
        array.ndim in (1, 2) and len(array) in lengths and array.dtype.kind in "biuf" for array in arrays.values()
    ):
        return None
    # Beside a single array of images, texts of the same length are one for each image: labels, or names of files.
    of_images = lengths if len(lengths) == 1 else []
    found = {
        name: tuple(texts)
        for name, array in arrays.items()
        if array.ndim == 1 and len(array) not in of_images and _rest(name) == _rest(label) and (texts := _texts(array))
    }
    if len(set(found.values())) > 1:
        raise DataLayoutError(
            f"The arrays {' and '.join(map(repr, found))} could all be the names of the classes, and they differ. Leave one out with "
            "--ignore-column."
        )
    return ClassNames(tuple(found), next(iter(found.values()))) if found else None


def _texts(array: NDArray[np.generic]) -> list[str]:
    """Different texts, none of them empty; none if there are others."""
    texts = [label_text(text) for text in plain_texts(array.tolist())] if array.dtype.kind in "US" else []
    is_names = None not in texts and len(set(texts)) == len(texts)
    return [text for text in texts if text is not None] if is_names else []


def _rest(name: str) -> frozenset[str] | None:
    """The words of a name, but for those that say that it is about classes; None if it says nothing of that."""
    words = {_singular(word) for word in normalize(name).split()}
    joined = {whole for word in words for whole in _OF_CLASSES if word == f"{whole}name"}
    own = {word for word in words if word.removesuffix("name") not in joined}
    return frozenset(own - _OF_CLASSES - _NAMES) if words & (_OF_CLASSES | _NAMES) or joined else None


def _singular(word: str) -> str:
    return _PLURALS.get(word, word.removesuffix("s"))
