"""Labels in arrays: classes, one-hot rows, several labels, and numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.images.answers import Answers, answers_of
from pipeline.images.labels import plain_texts
from pipeline.images.sources.arrays.class_names import ClassNames

Array = NDArray[Any]

_LEAST_SHARE = 0.1
"""Of the rows that are not one-hot: if there are fewer, it is a question whether several labels are meant."""


def answers_of_arrays(
    arrays: Sequence[Array], name: str = "y", kind: str | None = None, names: ClassNames | None = None
) -> tuple[Answers, bool]:
    """The answers in the arrays of labels of all parts, one after the other, and whether the names of the classes were used.

    Args:
        arrays: Shape (N,) or (N, 1), one-hot rows (N, K), or rows of several labels or numbers.
        name: The array, for messages.
        kind: What the user asks for; None: it is found.
        names: Names of the classes or columns.

    Raises:
        DataLayoutError: Rows have neither one class nor several labels nor numbers.
    """
    rows = [np.asarray(array) for array in arrays]
    if all(array.ndim == 2 and array.shape[1] > 1 for array in rows) and not (
        kind in (None, "classification") and all(map(_is_one_hot, rows))
    ):
        columns = _columns(np.concatenate(rows), name, kind, names)
        return answers_of(columns, kind or "multilabel"), names is not None and tuple(columns) == names.names
    # All parts together: a gap in one of them makes floats of its integers.
    texts = plain_texts([value for array in rows for value in _values(array, name)])
    if kind in (None, "classification") and names is not None:
        answers = answers_of({name: texts}, "classification")
        named = names.apply(answers.labels)
        return (answers_of({name: texts}, kind), False) if named is None else (Answers(tuple(named), kind), True)
    return answers_of({name: texts}, kind), False


def _columns(rows: Array, name: str, kind: str | None, names: ClassNames | None) -> Mapping[str, Sequence[str | None]]:
    """A column for each label or number."""
    is_number = rows.dtype.kind in "biuf"
    if is_number and kind is None and 0 < (share := float((rows.sum(axis=1) != 1).mean())) < _LEAST_SHARE:
        raise DataLayoutError(
            f"{name} {tuple(rows.shape)} has one-hot rows, but {round(share * len(rows)):,} of {len(rows):,} have not a single 1. Are several labels "
            "per image meant? Use --task multilabel; otherwise correct these rows."
        )
    is_flags = is_number and bool(np.isin(rows[np.isfinite(rows.astype(np.float64))], (0, 1)).all())
    if not (is_flags or (is_number and kind == "regression")):
        raise DataLayoutError(
            f"{name} {tuple(rows.shape)} has one row per image, and its rows are neither one-hot nor several labels (1 and 0). Are "
            "several numbers for each image meant? Use --task regression. Probabilities, and texts: give an array (N,) of classes."
        )
    count = rows.shape[1]
    titles = names.names if names is not None and len(names.names) == count else tuple(map(str, range(count)))
    return {title: plain_texts(rows[:, k].tolist()) for k, title in enumerate(titles)}


def _is_one_hot(array: Array) -> bool:
    """Whether each row is a single 1 and otherwise 0."""
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind not in "biuf":
        return False
    return bool(np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all())


def _values(array: Array, name: str) -> list[object]:
    array = array.argmax(axis=1) if _is_one_hot(array) else array
    if array.ndim > 2 or (array.ndim == 2 and array.shape[1] != 1):
        raise DataLayoutError(
            f"{name} {tuple(array.shape)} is no array of labels. Expected (N,), or one row per image."
        )
    return list(array.reshape(-1).tolist())
