"""Stage one in pieces: disjoint, deterministic tasks of missing rows, and what a worker does with one."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.cache.outbox import BytesOutbox, FolderOutbox
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Keys
from pipeline.execution.cluster import worker_name
from pipeline.execution.threads import num_threads
from pipeline.images.manifest import Manifest
from pipeline.stage_one.compute import Engine, Item, compute, keys_of

_MOST_ROWS = 1024
"""Rows of a task: a shard's."""

_MOST_SENT_ROWS = 256
"""Rows of a task whose photographs are sent with it, and wait in memory for a free worker."""

_LEAST_ROWS, _LEAST_TASKS = 32, 16
"""A small job is cut into smaller tasks, so that several workers have something to do."""

_WORKING = threading.Lock()


@dataclass(frozen=True)
class RowTask:
    """Some missing rows, with all that a worker needs to make them."""

    manifest: Manifest
    """Their images alone."""

    items: tuple[Item, ...]
    recipe: Recipe
    make_engine: Callable[[], Engine]
    """Pickled by name; keeps the engine between the tasks of a process."""

    batch_size: int
    folder: Path | None
    """The store's folder, where workers commit; None: the shards' bytes are sent back."""

    ships: bool = False
    """The photographs' bytes are sent with the task."""

    known: frozenset[str] = frozenset()
    """Names of the shards that were there when the tasks were cut."""

    def __len__(self) -> int:
        return len(self.items)

    def keys(self) -> Keys:
        """Keys of the rows, in order."""
        return keys_of(self.manifest, self.items)

    def digests(self) -> list[bytes]:
        """SHA-256 of the image of each row, in order."""
        return [self.manifest.digests[item.row] for item in self.items]

    def part(self, places: Sequence[int]) -> "RowTask":
        """The task of some of its items."""
        items = [self.items[place] for place in places]
        rows = sorted({item.row for item in items})
        number = {row: place for place, row in enumerate(rows)}
        return replace(
            self,
            manifest=self.manifest.select(rows),
            items=tuple(Item(number[item.row], item.view) for item in items),
        )

    def cut(self) -> list["RowTask"]:
        """The same rows as tasks of a good size: which they are depends on the rows alone, not on the workers."""
        return self.split(rows_a_task(len(self), ships=self.ships))

    def split(self, size: int) -> list["RowTask"]:
        """The same rows as tasks of so many."""
        return [self.part(range(start, min(start + size, len(self)))) for start in range(0, len(self), size)]

    def packed(self) -> "RowTask":
        """The task as it is sent: with its own photographs alone, as names or as bytes."""
        return replace(self, manifest=self.manifest.detached(with_bytes=self.ships))


@dataclass(frozen=True)
class RowTaskResult:
    """What a worker says of its task."""

    num_rows: int
    """Rows of the task that were made, by this worker or by one that died before it could say so."""

    engine: str | None
    skipped: dict[bytes, str]
    """Digests of images that cannot be decoded, with the reasons."""

    unread: dict[bytes, str] = field(default_factory=dict)
    """Digests of images that this worker could not read as they were scanned, with the reasons."""

    worker: str = field(default_factory=worker_name)

    names: list[str] = field(default_factory=list)
    """Of the shards that the worker has committed."""

    shards: list[bytes] = field(default_factory=list)
    """Those that it has not."""


def rows_a_task(num_rows: int, *, ships: bool = False) -> int:
    """Into tasks of how many rows so many are cut."""
    most = _MOST_SENT_ROWS if ships else _MOST_ROWS
    return min(most, max(_LEAST_ROWS, -(-num_rows // _LEAST_TASKS)))


def run_task(task: RowTask) -> RowTaskResult:
    """Make the rows of a task, in a worker; those that another worker has committed meanwhile are not made again.

    Raises:
        ClusterError: The worker's machine does not have the cache folder.
    """
    outbox = FolderOutbox(task.recipe, task.folder, task.known) if task.folder else BytesOutbox(task.recipe)
    missing = task.part(np.flatnonzero(~outbox.has(task.keys())).tolist())
    num_there = len(task) - len(missing)
    if not missing:
        return RowTaskResult(num_there, None, {})
    with _WORKING, tqdm(disable=True) as bar:  # a worker of several threads makes one task after the other
        done = compute(
            missing.manifest,
            missing.items,
            missing.recipe,
            outbox,
            missing.make_engine,
            batch_size=missing.batch_size,
            num_threads=num_threads(),
            bar=bar,
        )
    names, shards = getattr(outbox, "names", []), getattr(outbox, "shards", [])
    return RowTaskResult(num_there + done.num_rows, done.engine, done.skipped, done.unread, names=names, shards=shards)
