"""What rows were made with, as a manifest file records it: where their images and weights are not, it says which rows are wanted."""

import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store
from pipeline.cache.trunk_note import TrunkNote
from pipeline.errors import DataLayoutError
from pipeline.images.manifest import Manifest
from pipeline.images.manifest_file import REWRITE
from pipeline.stage_one.reuse.told import note_of_store


@dataclass(frozen=True)
class Record:
    """The rows that a manifest file was written with."""

    recipe: Recipe
    note: TrunkNote | None
    """The weights; None: the machine that wrote it did not know them either."""

    shape: tuple[int, ...]
    """Of a row: (h, w, C) or (C,)."""


def record_rows(store: Store, weights: str) -> dict[str, Any] | None:
    """The record of a store, for a manifest file; None: it has no rows.

    Args:
        store: The rows.
        weights: `imagenet`, `random`, or a file.
    """
    if store.row_shape is None:
        return None
    note = note_of_store(store, weights)
    return {
        "recipe": store.recipe.as_dict(),
        "trunk": None if note is None else note.as_dict(),
        "shape": list(store.row_shape),
    }


def recorded(manifest: Manifest) -> Record | None:
    """The record in the manifest file of a data set; None: it has none, as in those of earlier versions, or is no manifest file.

    Raises:
        DataLayoutError: It is damaged.
    """
    if manifest.rows is None:
        return None
    try:
        return _parse(manifest.rows)
    except (ValueError, KeyError, TypeError) as error:
        raise DataLayoutError(
            f"{manifest.source or manifest.title} is damaged, or of a later version: what its rows were made with cannot be read: {error} {REWRITE}"
        ) from None


def _parse(values: Mapping[str, Any]) -> Record:
    shape, note = values["shape"], values["trunk"]
    if not isinstance(shape, list) or len(shape) not in (1, 2, 3) or not all(type(n) is int and n > 0 for n in shape):
        raise ValueError(f"expected the shape of a row; received {reprlib.repr(shape)}.")
    return Record(Recipe.from_dict(values["recipe"]), None if note is None else TrunkNote.from_dict(note), tuple(shape))


def known_shape(manifest: Manifest, recipe: Recipe) -> tuple[int, ...] | None:
    """The shape of a recipe's rows, of views too, if the manifest file of a data set records it."""
    record = recorded(manifest)
    is_same = record is not None and record.recipe.fingerprint == replace(recipe, augmentation=None).fingerprint
    return record.shape if record and is_same else None


def mention_others(manifest: Manifest, recipe: Recipe) -> str:
    """A sentence with the rows that a manifest file was written with, if others are wanted; otherwise nothing."""
    record = recorded(manifest)
    if record is None or record.recipe.fingerprint == replace(recipe, augmentation=None).fingerprint:
        return ""
    pooled = record.recipe.pooling
    if record.recipe.with_pooling(recipe.pooling).fingerprint == recipe.fingerprint:
        return f" It was written with pooled rows: give --pool {pooled}."
    return f" It was written with rows of {record.recipe.folder_name}."
