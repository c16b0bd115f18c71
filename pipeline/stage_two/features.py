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
    """Features, (N, h, w, C) or pooled (N, C)."""

    y: NDArray[np.int64]
    """Class numbers, (N,)."""

    names: tuple[str, ...]
    """What the images are called, N of them."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def flat(self) -> NDArray[np.float32]:
        """Features as (N, D), D = h * w * C in row-major order, as Keras's Flatten gives them."""
        return self.X.reshape(len(self.X), -1)


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


def load_task(manifest: Manifest, store: Store, *, pooling: str = "none") -> Task:
    """Read the rows of a manifest's images and pair them with its labels.

    Args:
        manifest: Labelled images, all of which have rows.
        store: The rows.
        pooling: `none`, `avg` or `max`: pooling of spatial rows at read time.

    Raises:
        DataLayoutError: The labels do not make a task.
        MissingRowsError: An image has no row.
    """
    manifest.require_task()
    splits = {}
    for name in SPLITS:
        part = manifest.split(name)
        if len(part):
            X = store.read(row_keys(part.digests), pooling=pooling)
            splits[name] = Split(X, part.label_ids(manifest.classes), part.names)
    return Task(manifest.classes, splits)
