"""Tasks of stage one: disjoint parts of the missing rows, and how a worker computes one."""

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
from pipeline.images.decoding.noticed import Noticed
from pipeline.images.manifest import Manifest
from pipeline.stage_one.computing.compute import compute, keys_of
from pipeline.stage_one.engines.engine import Engine
from pipeline.stage_one.missing import Item

_MAX_ROWS = 1024
"""Rows per task: as many as in a full shard."""

_MAX_SENT_ROWS = 256
"""Rows per task if images are sent with it, since they wait in memory for a free worker."""

_MIN_ROWS, _MIN_TASKS = 32, 16
"""A small job is cut into smaller tasks, so that several workers have something to do."""

_WORKING = threading.Lock()


@dataclass(frozen=True)
class RowTask:
    """Some missing rows, with everything that a worker needs to compute them."""

    manifest: Manifest
    """Their images only."""

    items: tuple[Item, ...]
    recipe: Recipe
    make_engine: Callable[[], Engine]
    """Pickled by name; returns the same engine for all tasks of a process."""

    batch_size: int
    folder: Path | None
    """The store's folder, where workers commit; None: the shards' bytes are sent back."""

    ships: bool = False
    """Whether the images' bytes are sent with the task."""

    known: frozenset[str] = frozenset()
    """Names of the shards that existed when the tasks were cut."""

    def __len__(self) -> int:
        return len(self.items)

    def keys(self) -> Keys:
        """Keys of the rows, in order, shape (n,)."""
        return keys_of(self.manifest, self.items)

    def digests(self) -> list[bytes]:
        """SHA-256 of the image of each row, in order."""
        return [self.manifest.digests[item.row] for item in self.items]

    def part(self, positions: Sequence[int]) -> "RowTask":
        """The task of the items at these positions."""
        items = [self.items[position] for position in positions]
        rows = sorted({item.row for item in items})
        number = {row: position for position, row in enumerate(rows)}
        return replace(
            self,
            manifest=self.manifest.select(rows),
            items=tuple(Item(number[item.row], item.view) for item in items),
        )

    def cut(self) -> list["RowTask"]:
        """The same rows as tasks of a good size. How they are cut depends on the rows only, not on the workers."""
        return self.split(rows_per_task(len(self), ships=self.ships))

    def split(self, size: int) -> list["RowTask"]:
        """The same rows as tasks of `size` rows."""
        return [self.part(range(start, min(start + size, len(self)))) for start in range(0, len(self), size)]

    def packed(self) -> "RowTask":
        """The task as it is sent: with its own images only, as paths or as bytes."""
        return replace(self, manifest=self.manifest.detached(with_bytes=self.ships))


@dataclass(frozen=True)
class RowTaskResult:
    """What a worker returns for its task."""

    num_rows: int
    """Rows of the task that exist now, made by this worker or by one that died before it could report them."""

    engine: str | None
    skipped: dict[bytes, str]
    """Digests of images that cannot be decoded, with the reasons."""

    unread: dict[bytes, str] = field(default_factory=dict)
    """Digests of images that this worker could not read as they were scanned, with the reasons."""

    worker: str = field(default_factory=worker_name)

    names: list[str] = field(default_factory=list)
    """Names of the shards that the worker committed."""

    shards: list[bytes] = field(default_factory=list)
    """Bytes of the shards that it did not commit."""

    noticed: dict[bytes, Noticed] = field(default_factory=dict)
    """As in `Computed`."""


def rows_per_task(num_rows: int, *, ships: bool = False) -> int:
    """Number of rows per task where `num_rows` are missing in all."""
    most = _MAX_SENT_ROWS if ships else _MAX_ROWS
    return min(most, max(_MIN_ROWS, -(-num_rows // _MIN_TASKS)))


def run_task(task: RowTask) -> RowTaskResult:
    """Compute the rows of a task, in a worker; rows that another worker has committed meanwhile are not computed again.

    Raises:
        ClusterError: The worker's machine does not have the cache folder.
    """
    outbox = FolderOutbox(task.recipe, task.folder, task.known) if task.folder else BytesOutbox(task.recipe)
    missing = task.part(np.flatnonzero(~outbox.has(task.keys())).tolist())
    num_present = len(task) - len(missing)
    if not missing:
        return RowTaskResult(num_present, None, {})
    with _WORKING, tqdm(disable=True) as bar:  # a worker with several threads runs one task at a time
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
    return RowTaskResult(
        num_present + done.num_rows,
        done.engine,
        done.skipped,
        done.unread,
        names=names,
        shards=shards,
        noticed=done.noticed,
    )
