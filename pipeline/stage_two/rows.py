"""Rows with labels: the input of a training."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.store import Keys, Store, row_keys
from pipeline.errors import MissingRowsError, SettingError
from pipeline.images.manifest import SPLITS, Manifest
from pipeline.stage_one.views import Views

# Number of blocks in memory at once: the current and the next one of the training and the validation split.
_BLOCKS = 4


@dataclass(frozen=True)
class StoredRows:
    """Rows that do not fit into memory. They behave like an array, and are read from the shards when they are used."""

    store: Store
    keys: Keys
    pooling: str
    block_rows: int
    """Number of rows per block."""

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, h, w, C) or (N, C)."""
        row = self.store.row_shape or ()
        return (len(self), *(row if self.pooling == "none" else row[-1:]))

    @property
    def nbytes(self) -> int:
        """Memory that all rows would take, in bytes."""
        return 4 * math.prod(self.shape)

    @property
    def memory_bytes(self) -> int:
        """Memory that the rows of a task may take, in bytes; a block is a part of it."""
        return _BLOCKS * self.block_rows * 4 * math.prod(self.shape[1:])

    def __getitem__(self, rows: Any) -> NDArray[np.float32]:
        return self.store.read(self.keys[rows], pooling=self.pooling)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Positions (n,) and rows (n, ...) of all rows in blocks, shard after shard."""
        order = np.argsort(self.store.shard_of(self.keys), kind="stable")
        for start in range(0, len(self), self.block_rows):
            positions = order[start : start + self.block_rows]
            yield positions, self[positions]


Rows = NDArray[np.float32] | StoredRows


@dataclass(frozen=True)
class Split:
    """The images of one split."""

    X: Rows
    """Features of the images as they are (view 0), (N, h, w, C) or pooled (N, C)."""

    y: NDArray[np.int64]
    """Class numbers, (N,)."""

    names: tuple[str, ...]
    """Names of the images, N of them."""

    views: tuple[Rows, ...] = ()
    """Features of views 1 to K, each of the shape of `X`; empty without views."""

    digests: tuple[bytes, ...] = ()
    """SHA-256 of each image, N of them; empty if the rows do not come from a manifest."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def flat(self) -> NDArray[np.float32]:
        """Features as (N, D), D = h * w * C in row-major order, as Keras's Flatten gives them."""
        rows = _in_memory(self.X)
        return rows.reshape(len(rows), -1)

    def all_views(self) -> "Split":
        """Views 0 to K as separate images, (K + 1) N of them, view after view."""
        if not self.views:
            return self
        count = len(self.views) + 1
        return Split(
            np.concatenate([_in_memory(rows) for rows in (self.X, *self.views)]),
            np.tile(self.y, count),
            self.names * count,
        )


@dataclass(frozen=True)
class Task:
    """Features and labels of all splits."""

    classes: tuple[str, ...]
    splits: Mapping[str, Split]
    """`train`, `validation` and, if it exists, `test`."""

    @property
    def num_bytes(self) -> int:
        """Memory that its rows take now, in bytes; stored rows take none."""
        rows = [rows for split in self.splits.values() for rows in (split.X, *split.views)]
        return sum(part.nbytes for part in rows if isinstance(part, np.ndarray))

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
    memory_bytes: float = math.inf,
) -> Task:
    """Read the rows of a manifest's images and pair them with its labels.

    Args:
        manifest: Labelled images, all of which have rows.
        store: The rows of view 0.
        pooling: `none`, `avg` or `max`: pooling of spatial rows at read time.
        view_store: The rows of views 1 to K.
        num_views: K, for the training images.
        tta: Read the views of validation and test images too, so that predictions can be averaged over them.
        memory_bytes: Rows that take more memory than this as float32 stay in their store, and are read in blocks (`StoredRows`).

    Raises:
        DataLayoutError: The labels do not make a task.
        MissingRowsError: An image has no row.
    """
    row_bytes = 4 * _row_floats(store, pooling)
    manifest.require_task()
    parts = {name: part for name in SPLITS if len(part := manifest.split(name))}
    viewed = {name: num_views if name == "train" or tta else 0 for name in parts}
    num_rows = sum((1 + viewed[name]) * len(part) for name, part in parts.items())
    block_rows = max(1, int(memory_bytes / _BLOCKS / row_bytes)) if num_rows * row_bytes > memory_bytes else None

    def read(holder: Store, names: Sequence[str], view: int) -> dict[str, Rows]:
        """One view of these splits."""
        keys = {name: row_keys(parts[name].digests, view) for name in names}
        if block_rows is not None:
            # A missing row raises an error now, not during the training.
            holder.shard_of(np.concatenate(list(keys.values())))
            return {name: StoredRows(holder, keys[name], pooling, block_rows) for name in names}
        # One reading for all splits, so that each shard is decompressed once.
        together = holder.read(np.concatenate(list(keys.values())), pooling=pooling)
        ends = np.cumsum([len(keys[name]) for name in names])
        return dict(zip(names, np.split(together, ends[:-1]), strict=True))

    plain = read(store, list(parts), 0)
    views = [
        read(view_store or store, [name for name in parts if view <= viewed[name]], view)
        for view in range(1, num_views + 1)
    ]
    return Task(
        manifest.classes,
        {
            name: Split(
                plain[name],
                part.label_ids(manifest.classes),
                part.names,
                tuple(rows[name] for rows in views if name in rows),
                part.digests,
            )
            for name, part in parts.items()
        },
    )


def _in_memory(rows: Rows) -> NDArray[np.float32]:
    """Rows that are in memory.

    Raises:
        SettingError: The rows stay in their shards.
    """
    if isinstance(rows, StoredRows):
        raise SettingError(
            f"{rows.nbytes / 1e9:.1f} GB of rows are needed in memory at once, and {rows.memory_bytes / 1e9:.1f} GB are allowed. "
            "Use --pool avg, or give a larger --memory-gb."
        )
    return rows


def _row_floats(store: Store, pooling: str) -> int:
    shape = store.row_shape or (1,)
    return shape[-1] if pooling != "none" else math.prod(shape)


def load_with_views(
    manifest: Manifest,
    store: Store,
    views: Views | None,
    *,
    pooling: str,
    memory_bytes: float = math.inf,
) -> Task:
    """Rows and labels with stored views; see `load_task`.

    Raises:
        MissingRowsError: Some views are not stored; the message gives the command that stores them.
    """
    if views is None:
        return load_task(manifest, store, pooling=pooling, memory_bytes=memory_bytes)
    view_store = Store(store.folder.parent, views.recipe(store.recipe))
    part = views.images(manifest)
    missing = sum(int((~view_store.has(row_keys(part.digests, view))).sum()) for view in views.numbers)
    if missing:
        raise MissingRowsError(
            f"{missing} of {views.count * len(part)} views are not stored. Store them once with: bottleneck features DATA "
            f"--views {views.count} --augment {views.augmentation.as_text()}{' --tta' if views.tta else ''}, "
            "and the same base, size, cut and preprocessing."
        )
    return load_task(
        manifest,
        store,
        pooling=pooling,
        view_store=view_store,
        num_views=views.count,
        tta=views.tta,
        memory_bytes=memory_bytes,
    )
