"""Arrays of an `.npz` file that are neither images nor labels and have one value for each image: columns, as a table has them.

Where the images of the splits are in arrays of their own, `groups_train` and `groups_test` are one column `groups`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.images.labels import plain_texts
from pipeline.images.sources.arrays.array_names import Arrays
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables.roles import Roles, find_roles, is_group_name
from pipeline.images.sources.words import SPLIT_WORDS

Counts = Mapping[str | None, int]
"""The number of images by split, in their order; None: all images, which have no split."""


@dataclass(frozen=True)
class ArrayColumns:
    """Splits and groups in other arrays."""

    roles: Roles
    groups: list[str | None] | None
    """The group of each image; None: there are no groups."""

    used: tuple[str, ...]
    """Names of the arrays that were used."""


def find_columns(arrays: Arrays, counts: Counts, reading: Reading, source: str) -> ArrayColumns:
    """Splits and groups by the rules of a table's columns; where the images have splits, groups alone.

    Args:
        arrays: All by name, without those that are images, labels or ignored.
        counts: Of the images.
        reading: Columns that the user named.
        source: The file, for messages.

    Raises:
        DataLayoutError: It is a question what a column is; or an array is called groups and is not used.
    """
    texts: dict[str, list[str | None]] = {}
    members: dict[str, list[str]] = {}
    start = 0
    for split, count in counts.items():
        for name, column in _columns_of(arrays, split, is_only=len(counts) == 1).items():
            if arrays[name].shape in ((count,), (count, 1)):
                cells = texts.setdefault(column, [None] * sum(counts.values()))
                cells[start : start + count] = _texts(arrays[name])
                members.setdefault(column, []).append(name)
        start += count
    _check_groups(arrays, counts, [name for names in members.values() for name in names])
    splits = [split for split, count in counts.items() for _ in range(count)] if len(counts) > 1 else None
    roles = find_roles(texts, replace(reading, label="label"), source, splits=splits)
    used = [*roles.used, *filter(None, [roles.group])]
    groups = None if roles.group is None else texts[roles.group]
    return ArrayColumns(roles, groups, tuple(name for column in used for name in members[column]))


def named_by_column(arrays: Arrays, name: str) -> list[str]:
    """The arrays that a user means: the one of this name, or those of the column: `groups` for `groups_train` and `groups_test`."""
    return [name] if name in arrays else [other for other in arrays if _without_split(other)[1] == name] or [name]


def _columns_of(arrays: Arrays, split: str | None, *, is_only: bool) -> dict[str, str]:
    """The arrays that may be about the images of a split, with the names of their columns."""
    found = {}
    for name in arrays:
        own, column = _without_split(name)
        if split is not None and own == split:
            found[name] = column
        elif is_only:
            found[name] = name
    return found


def _without_split(name: str) -> tuple[str | None, str]:
    """The split whose word is the first or the last one of a name, and the rest: `groups_train`, `val-groups`."""
    parts = re.split(r"([\W_]+)", name)
    first, last = (SPLIT_WORDS.get(parts[at].casefold()) for at in (0, -1))
    if len(parts) < 3 or not (first or last):
        return None, name
    return (last, "".join(parts[:-2])) if last else (first, "".join(parts[2:]))


def _check_groups(arrays: Arrays, counts: Counts, used: Sequence[str]) -> None:
    """Raise DataLayoutError if an array is called groups, and it is not known whose they are."""
    for name, array in arrays.items():
        if name not in used and is_group_name(_without_split(name)[1]):
            expected = ", ".join(
                f"{'groups' if split is None else f'groups_{split}'} ({count},)" for split, count in counts.items()
            )
            raise DataLayoutError(
                f"The array {name!r} {tuple(array.shape)} seems to have the groups of images, and is not used. Expected one value for each image: "
                f"{expected}. Rename or divide it, or leave it out with --ignore-column {name}."
            )


def _texts(array: NDArray[np.generic]) -> list[str | None]:
    return plain_texts(array.reshape(-1).tolist())
