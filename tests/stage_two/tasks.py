"""Synthetic tasks: clouds of points around one centre per class."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.bases.table import Preprocessing
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.images.augment import AUGMENTATIONS, ViewMaker
from pipeline.images.decoding.decoder import Decoder
from pipeline.stage_two.rows import LabelledRows, Split, StoredRows
from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression

RECIPE = Recipe("squeezenet", Decoder(48), Preprocessing("native"), "0" * 64, "fire9_concat")
AUGMENTED = replace(RECIPE, augmentation=ViewMaker(AUGMENTATIONS["r0"], 0).canonical_json())
BLOCK = 32
HARD = {"distance": 1.3, "shape": (8,)}
"""Clouds that overlap, so that heads differ and validation has something to choose."""

LINEAR_HEADS = ("logreg:C=0.1", "svm:C=0.1", "ridge:alpha=10", "sgd:alpha=0.01", "lda:shrinkage=0.3", "knn:k=5")
"""One head of each kind, with its regularisation given."""

CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")


def make_task(
    shape: Sequence[int] = (6,),
    *,
    num_classes: int = 3,
    num_train: int = 90,
    distance: float = 4.0,
    with_test: bool = True,
) -> LabelledRows:
    """Features of this shape: the centre of the class plus noise of deviation 1, the same at every call."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(num_classes, *shape)) * distance / np.sqrt(np.prod(shape))
    counts = {"train": num_train, "validation": 60, "test": 60}
    splits = {}
    for name, count in counts.items():
        y = np.arange(count) % num_classes
        X = (centres[y] + rng.normal(size=(count, *shape)) / np.sqrt(np.prod(shape))).astype(np.float32)
        splits[name] = Split(X, y.astype(np.int64), tuple(f"{name}/{number}" for number in range(count)))
    if not with_test:
        del splits["test"]
    return LabelledRows(Classification(CLASSES[:num_classes]), splits)


def make_labels_task(num_train: int = 60) -> LabelledRows:
    """Three labels that overlap, one in ten answers not known; `all` has every training image, `few` one in ten of them."""
    rng = np.random.default_rng(5)
    splits = {}
    for name, count in {"train": num_train, "validation": 40, "test": 40}.items():
        X = rng.normal(size=(count, 8)).astype(np.float32)
        y = (X[:, :3] + rng.normal(size=(count, 3)) / 2 > 0).astype(np.float32)
        y[rng.random(y.shape) < 0.1] = np.nan
        y = np.concatenate([y, np.ones((count, 1)), np.arange(count)[:, None] % 10 == 0], axis=1).astype(np.float32)
        splits[name] = Split(X, y, tuple(f"{name}/{number}" for number in range(count)))
    return LabelledRows(Multilabel(("ant", "bee", "cat", "all", "few")), splits)


def make_numbers_task(num_train: int = 60) -> LabelledRows:
    """Two columns of numbers, linear in the features but for noise; one in ten of the second is not known."""
    rng = np.random.default_rng(6)
    splits = {}
    for name, count in {"train": num_train, "validation": 40, "test": 40}.items():
        X = rng.normal(size=(count, 8)).astype(np.float32)
        y = X[:, :2] * [10, 1] + [100, 0] + rng.normal(size=(count, 2)) / 2
        y[::10, 1] = np.nan
        splits[name] = Split(X, y.astype(np.float32), tuple(f"{name}/{number}" for number in range(count)))
    return LabelledRows(Regression(("size", "age")), splits)


NUM_SHAPED = 40
SHAPES = {"narrow": (8,), "wide": (120,)}
"""Fewer and more features than the 40 training images."""


def shaped_task(shape: str, num_classes: int = 3) -> LabelledRows:
    """Clouds that overlap, with fewer or more features than training images."""
    distance = 0.2 if shape == "wide" else 0.7
    return make_task(SHAPES[shape], num_train=NUM_SHAPED, num_classes=num_classes, distance=distance)


def on_disk(task: LabelledRows, folder: Path, block_rows: int = BLOCK) -> LabelledRows:
    """The same rows in shards of 25."""
    splits = {}
    for number, (name, split) in enumerate(task.splits.items()):
        digests = [bytes([number, index // 256, index % 256]) + bytes(29) for index in range(len(split))]

        def stored(rows, view, digests=digests):
            store = Store(folder, AUGMENTED if view else RECIPE)
            keys = row_keys(digests, view)
            for start in range(0, len(keys), 25):
                store.append(keys[start : start + 25], rows[start : start + 25], {})
            return StoredRows(store, keys, "none", block_rows)

        views = tuple(stored(rows, view) for view, rows in enumerate(split.views, start=1))
        splits[name] = Split(stored(split.X, 0), split.y, split.names, views)
    return LabelledRows(task.task, splits)


LABELS = ("cat", "dog", "indoor")


def make_label_task(*, num_train: int = 90, noise: float = 0.8, unknown: int = 10) -> LabelledRows:
    """Three labels for each image, which are signs of three features; one answer in so many is not known."""
    return _numeric_task(
        Multilabel(LABELS), num_train, noise, lambda signal: (signal > 0.2).astype(np.float32), unknown
    )


def make_value_task(*, num_train: int = 90, noise: float = 0.8, names: Sequence[str] = ("age",)) -> LabelledRows:
    """Numbers for each image that are linear in the features; one in ten of the last column is not known."""
    task = Regression(tuple(names))
    return _numeric_task(task, num_train, noise, lambda signal: 20 + 5 * signal[:, : len(names)], 10)


def _numeric_task(task, num_train, noise, target_of, unknown):
    rng, splits = np.random.default_rng(5), {}
    mix = rng.normal(size=(3, 6))
    for name, count in {"train": num_train, "validation": 60, "test": 60}.items():
        signal = rng.normal(size=(count, 3))
        X = (signal @ mix + rng.normal(size=(count, 6)) * noise).astype(np.float32)
        y = target_of(signal).astype(np.float32)
        y[::unknown, -1] = np.nan
        splits[name] = Split(X, y, tuple(f"{name}/{number}" for number in range(count)))
    return LabelledRows(task, splits)
