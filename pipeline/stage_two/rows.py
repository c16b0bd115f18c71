"""Rows with labels: the input of a training."""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys, Store, row_keys
from pipeline.errors import MissingRowsError, SettingError
from pipeline.images.manifest import SPLITS, Manifest
from pipeline.images.requirements import require_task
from pipeline.stage_one.views import Views
from pipeline.tasks.targets import Targets
from pipeline.tasks.task import Task

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


def stored_rows(store: Store, keys: Keys, pooling: str, memory_bytes: float) -> Rows:
    """Rows of a store: in memory, or read from the shards in blocks if they need more memory than is given as float32."""
    shape = store.row_shape or (1,)
    row_bytes = 4 * (math.prod(shape) if pooling == "none" else shape[-1])
    if len(keys) * row_bytes <= memory_bytes:
        return store.read(keys, pooling=pooling)
    return StoredRows(store, keys, pooling, max(1, int(memory_bytes / _BLOCKS / row_bytes)))


@dataclass(frozen=True)
class Split:
    """The images of one split."""

    X: Rows
    """Features of the images as they are (view 0), (N, h, w, C) or pooled (N, C)."""

    y: Targets
    """Class numbers, int64 (N,); or labels or numbers, float32 (N, K); see `pipeline.tasks.targets`."""

    names: tuple[str, ...]
    """Names of the images, N of them."""

    views: tuple[Rows, ...] = ()
    """Features of views 1 to K, each of the shape of `X`; empty without views."""

    digests: tuple[bytes, ...] = ()
    """SHA-256 of each image, N of them; empty if the rows do not come from a manifest."""

    groups: tuple[str | None, ...] = ()
    """Group of each image, N of them; empty if there are no groups."""

    weights: NDArray[np.float64] | None = None
    """How much each image counts in a training, (N,), mean 1; None: all the same."""

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
        return Split(
            np.concatenate([_in_memory(rows) for rows in (self.X, *self.views)]),
            self.all_targets,
            self.names * (len(self.views) + 1),
            weights=self.all_weights,
        )

    @property
    def all_targets(self) -> Targets:
        """Targets of views 0 to K, (K + 1) N of them, view after view."""
        return np.concatenate([self.y] * (len(self.views) + 1))

    @property
    def all_weights(self) -> NDArray[np.float64] | None:
        """Weights of views 0 to K, ((K + 1) N,)."""
        return None if self.weights is None else np.tile(self.weights, len(self.views) + 1)


@dataclass(frozen=True)
class LabelledRows:
    """Features and targets of all splits."""

    task: Task
    """What is asked of the rows."""

    splits: Mapping[str, Split]
    """`train`, `validation` and, if it exists, `test`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs: classes, labels or columns of numbers."""
        return self.task.names

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


class RowMemory:
    """Rows that were read already, so that several tasks on the same images read each row once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, bytes], NDArray[np.float32]] = {}

    def read(self, store: Store, keys: Keys, pooling: str) -> NDArray[np.float32]:
        """The rows of these keys, in their order."""
        names = [(str(store.folder), pooling, bytes(key)) for key in keys]
        missing = [position for position, name in enumerate(names) if name not in self._known]
        if len(missing) == len(names):
            rows = store.read(keys, pooling=pooling)
            self._known |= dict(zip(names, rows, strict=True))
            return rows
        if missing:
            found = store.read(keys[missing], pooling=pooling)
            self._known |= dict(zip((names[position] for position in missing), found, strict=True))
        return np.stack([self._known[name] for name in names])


def load_rows(
    manifest: Manifest,
    store: Store,
    views: Views | None = None,
    *,
    pooling: str = "none",
    memory_bytes: float = math.inf,
    memory: RowMemory | None = None,
) -> LabelledRows:
    """Read the rows of a manifest's images and pair them with its labels.

    Args:
        manifest: Labelled images, all of which have rows.
        store: The rows of view 0.
        views: Views 1 to K to read too: of the training images, and with `tta` of all images. Their store is beside `store`.
        pooling: `none`, `avg` or `max`: pooling of spatial rows at read time.
        memory_bytes: Rows that take more memory than this as float32 stay in their store, and are read in blocks (`StoredRows`).
        memory: Rows that were read already; None: read all.

    Raises:
        DataLayoutError: The labels do not make a task.
        MissingRowsError: An image has no row, or views are not stored; the message gives the command that stores them.
    """
    manifest = require_task(manifest)
    parts = {name: part for name in SPLITS if len(part := manifest.split(name))}
    rows = _read_views(parts, store, views, pooling, memory_bytes, memory or RowMemory())
    task = manifest.task
    return LabelledRows(
        task,
        {
            name: Split(
                rows[name][0],
                task.encode([str(label) for label in part.labels]),
                part.names,
                tuple(rows[name][1:]),
                part.digests,
                part.groups,
            )
            for name, part in parts.items()
        },
    )


def _read_views(
    parts: Mapping[str, Manifest],
    store: Store,
    views: Views | None,
    pooling: str,
    memory_bytes: float,
    memory: RowMemory,
) -> Mapping[str, Sequence[Rows]]:
    """View 0 of each split, followed by views 1 to K where it has them."""
    keys = [(store, {name: row_keys(part.digests) for name, part in parts.items()})]
    if views:
        beside = Store(store.folder.parent, views.recipe(store.recipe))
        viewed = {name: part for name, part in parts.items() if views.tta or name == "train"}
        keys += [
            (beside, {name: row_keys(part.digests, view) for name, part in viewed.items()}) for view in views.numbers
        ]
        is_stored = beside.has(np.concatenate([wanted for _, each in keys[1:] for wanted in each.values()]))
        if not is_stored.all():
            source = next(part.source for part in parts.values())
            raise MissingRowsError(_missing_views(int((~is_stored).sum()), len(is_stored), views, store.recipe, source))
    shape = store.row_shape or (1,)
    row_bytes = 4 * (math.prod(shape) if pooling == "none" else shape[-1])
    num_rows = sum(len(wanted) for _, each in keys for wanted in each.values())
    block_rows = max(1, int(memory_bytes / _BLOCKS / row_bytes)) if num_rows * row_bytes > memory_bytes else None
    found: dict[str, list[Rows]] = {name: [] for name in parts}
    read: Sequence[Rows]
    for holder, each in keys:
        together = np.concatenate(list(each.values()))
        if block_rows is not None:
            holder.shard_of(together)  # a missing row raises an error now, not during the training
            read = [StoredRows(holder, wanted, pooling, block_rows) for wanted in each.values()]
        else:
            # One reading for all splits, so that each shard is decompressed once.
            ends = np.cumsum([len(wanted) for wanted in each.values()])
            read = np.split(memory.read(holder, together, pooling), ends[:-1])
        for name, rows in zip(each, read, strict=True):
            found[name].append(rows)
    return found


def _missing_views(count: int, total: int, views: Views, recipe: Recipe, source: str | None) -> str:
    words = ["bottleneck", "features", source or "DATA", "--base", recipe.base, "--size", str(recipe.decoder.size_px)]
    words += ["--views", str(views.count), "--augment", views.augmentation.as_text(), *(["--tta"] * views.tta)]
    return (
        f"{count} of {total} views are not stored. Store them once with: {shlex.join(words)} (and with the other options of this "
        "command that are about data and features)."
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
