"""Rows and labels together: what a head is trained on."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.store import Store, row_keys
from pipeline.images.manifest import SPLITS, Manifest


@dataclass(frozen=True)
class Split:
    """The images of one split."""

    X: NDArray[np.float32]
    """Features of the images as they are (view 0), (N, h, w, C) or pooled (N, C)."""

    y: NDArray[np.int64]
    """Class numbers, (N,)."""

    names: tuple[str, ...]
    """What the images are called, N of them."""

    views: tuple[NDArray[np.float32], ...] = ()
    """Features of views 1 to K, each of the shape of `X`; empty where none were asked for."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def flat(self) -> NDArray[np.float32]:
        """Features as (N, D), D = h * w * C in row-major order, as Keras's Flatten gives them."""
        return self.X.reshape(len(self.X), -1)

    def all_views(self) -> "Split":
        """Views 0 to K as so many images, (K + 1) N of them, view after view."""
        if not self.views:
            return self
        count = len(self.views) + 1
        return Split(np.concatenate([self.X, *self.views]), np.tile(self.y, count), self.names * count)


@dataclass(frozen=True)
class Task:
    """Features and labels of all splits."""

    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    """`train` and `validation`, and `test` if there is one."""

    @property
    def train(self) -> Split:
        return self.splits["train"]

    @property
    def validation(self) -> Split:
        return self.splits["validation"]


def load_task(
    manifest: Manifest,
    store: Store,
    *,
    pooling: str = "none",
    view_store: Store | None = None,
    num_views: int = 0,
    tta: bool = False,
) -> Task:
    """Read the rows of a manifest's images and pair them with its labels.

    Args:
        manifest: Labelled images, all of which have rows.
        store: The rows of view 0.
        pooling: `none`, `avg` or `max`: pooling of spatial rows at read time.
        view_store: The rows of views 1 to K.
        num_views: K, for the training images.
        tta: Read the views of validation and test images too, to average predictions over them.

    Raises:
        DataLayoutError: The labels do not make a task.
        MissingRowsError: An image has no row.
    """
    manifest.require_task()
    splits = {}
    for name in SPLITS:
        part = manifest.split(name)
        if not len(part):
            continue
        X = store.read(row_keys(part.digests), pooling=pooling)
        views: tuple[NDArray[np.float32], ...] = ()
        if view_store is not None and (name == "train" or tta):
            numbers = range(1, num_views + 1)
            views = tuple(view_store.read(row_keys(part.digests, view), pooling=pooling) for view in numbers)
        splits[name] = Split(X, part.label_ids(manifest.classes), part.names, views)
    return Task(manifest.classes, splits)
