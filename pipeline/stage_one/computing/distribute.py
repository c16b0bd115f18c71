"""Stage one by workers: tasks are sent, shards come back, and tasks whose workers died are repeated."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline.cache.store import Store
from pipeline.errors import ClusterError, DataNotFoundError, WorkerDiedError
from pipeline.execution.tasks import Lost
from pipeline.execution.workers import Workers
from pipeline.images.decoding.noticed import Noticed
from pipeline.images.manifest import Files, Manifest, read_scanned
from pipeline.stage_one.computing.compute import Computed, finish, row_bar
from pipeline.stage_one.computing.tasks import RowTask, RowTaskResult, run_task
from pipeline.stage_one.engines.engine import Engine
from pipeline.stage_one.missing import Item
from pipeline.watchdog import CLUSTER_LIMIT_SECONDS, Moved, watch

logger = logging.getLogger(__name__)

_PARTS = 8
"""Number of parts a task is split into after its second crash."""

_MAX_DEADLY_IMAGES = 8
"""Number of images that may be skipped because they kill workers. If there are more, the images are not the cause."""


def distribute(
    manifest: Manifest,
    items: Sequence[Item],
    store: Store,
    make_engine: Callable[[], Engine],
    workers: Workers,
    *,
    batch_size: int = 32,
    gather: bool = False,
    ship_images: bool = False,
    progress: bool = False,
) -> Computed:
    """Compute the rows that the store lacks, by workers.

    If a worker dies, another one computes what is missing of its task. If that one dies too, the task is split until the image
    that kills workers is found; it is left out and listed in the result's `manifest.skipped`. An image that a worker cannot
    read, or whose bytes differ there, is read by this process and sent to a worker; it is left out only if this process cannot
    read it either.

    Args:
        manifest: The images.
        items: The missing rows; see `missing_items`.
        store: Where rows are looked up and added.
        make_engine: Loads the network in a worker, once for all of its tasks; pickled by its name.
        workers: Backend and number of workers.
        batch_size: Images handed to the engine at a time.
        gather: Workers send their shards' bytes and this process commits them; otherwise workers write to the store's folder.
        ship_images: Images are sent with the tasks; otherwise workers read them from the same path.
        progress: Show a progress bar.

    Raises:
        ClusterError: The cluster does not answer, or lacks what a task needs.
        DataNotFoundError: The folder of the images is gone, for this process too.
        WorkerDiedError: Workers die at any image.
        OSError: The store cannot be written.
    """
    store.prepare()
    ships = ship_images or not manifest.is_files
    folder, known = (
        (None, frozenset[str]())
        if gather
        else (store.folder.resolve(), frozenset(path.name for path in store.shard_paths()))
    )
    whole = RowTask(manifest, tuple(items), store.recipe, make_engine, batch_size, folder, ships, known)
    with watch("Stage one", CLUSTER_LIMIT_SECONDS) as moved, row_bar(len(items), progress=progress) as bar:
        done = _Job(store, workers, bar, moved)
        done.run(whole)
        finish(bar)
    store.refresh()
    num_rows = int(store.has(whole.keys()).sum())
    return Computed(num_rows, done.skipped, unread={}, engine=done.engine, noticed=done.noticed)


@dataclass
class _Job:
    """The state of one distributed stage one."""

    store: Store
    workers: Workers
    bar: "tqdm[Any]"
    moved: Moved
    skipped: dict[bytes, str] = field(default_factory=dict)
    unread: set[bytes] = field(default_factory=set)
    """Digests of images that a worker could not read."""

    blind: set[str] = field(default_factory=set)
    """Names of workers that could not read an image that this process can read."""

    noticed: dict[bytes, Noticed] = field(default_factory=dict)
    engine: str | None = None
    num_made: int = 0
    num_deadly: int = 0

    def run(self, whole: RowTask) -> None:
        """Make all rows. Images that a worker could not read are then read by this process and sent."""
        self._make(whole.cut())
        if not self.unread:
            return
        _check_folder(whole.manifest)
        self.store.refresh()
        unread = whole.part([position for position, digest in enumerate(whole.digests()) if digest in self.unread])
        for part in self._missing_parts([replace(unread, ships=True)]):
            self._make(part.cut())

    def _make(self, tasks: Sequence[RowTask]) -> None:
        """Run all tasks: lost ones a second time, and those lost again one at a time."""
        lost = self._run(tasks)
        for task in self._run(self._missing_parts(lost)):
            for part in self._missing_parts([task]):
                self._isolate(part)

    def _isolate(self, task: RowTask) -> None:
        """Make the rows of a task that may kill its worker, except for the image that does."""
        if not self._run([task], alone=True):
            return
        if len(task) > 1:
            for part in self._missing_parts([task]):
                for piece in part.split(-(-len(part) // _PARTS)):
                    self._isolate(piece)
            return
        self.num_deadly += 1
        name = task.manifest.names[0]
        if self.num_deadly > _MAX_DEADLY_IMAGES:
            raise WorkerDiedError(
                f"Workers die at any image, the last time at {name}; most often memory runs out. Rows made so far are kept. "
                "Try a smaller --batch-size, or fewer --workers."
            )
        self.skipped[task.manifest.digests[0]] = "killed its worker twice"

    def _run(self, tasks: Sequence[RowTask], *, alone: bool = False) -> list[RowTask]:
        """Run tasks and put their shards into the store; return the tasks that were lost."""
        lost = []
        for task, result in self.workers.run(run_task, tasks, pack=RowTask.packed, alone=alone):
            if isinstance(result, Lost):
                lost.append(task)
                self.moved()
                self.store.refresh()  # sees what the worker had committed
            else:
                self._add(result)
                self._note_unread(task, result)
        return lost

    def _note_unread(self, task: RowTask, result: RowTaskResult) -> None:
        """Images that a worker could not read: skipped if this process sent their bytes, otherwise read by it later."""
        if task.ships:
            self.skipped |= result.unread
            return
        self.unread |= result.unread.keys()
        if result.worker not in self.blind:
            self._warn_if_blind(task.manifest, result)

    def _warn_if_blind(self, manifest: Manifest, result: RowTaskResult) -> None:
        """Warn of a worker that could not read an image that this process can read; the first image is enough to know."""
        for digest, reason in list(result.unread.items())[:1]:
            row = manifest.digests.index(digest)
            if isinstance(read_scanned(manifest, row), bytes):
                self.blind.add(result.worker)
                logger.warning(
                    "Worker %s lacks images that this process can read: %d of a task, the first %s (%s). They are sent to the "
                    "workers instead. Check the images on that machine, or use --ship-images.",
                    result.worker,
                    len(result.unread),
                    manifest.names[row],
                    reason,
                )

    def _add(self, result: RowTaskResult) -> None:
        for data in result.shards:
            self.store.add_shard(data)
        missing = [name for name in result.names if not (self.store.folder / "shards" / name).is_file()]
        if missing:
            raise ClusterError(
                f"A worker has committed {missing[0]}, but it is not in {self.store.folder}. "
                "Use --gather if the machines do not share the cache folder."
            )
        self.skipped |= result.skipped
        self.noticed |= result.noticed
        self.engine = self.engine or result.engine
        self.bar.update(result.num_rows)
        self.num_made += result.num_rows
        self.moved(f"{self.num_made:,} new rows were committed; the same command goes on from there.")

    def _missing_parts(self, tasks: Sequence[RowTask]) -> list[RowTask]:
        """The parts of tasks whose rows are still missing."""
        parts = [task.part(np.flatnonzero(~self.store.has(task.keys())).tolist()) for task in tasks]
        return [part for part in parts if len(part)]


def _check_folder(manifest: Manifest) -> None:
    """Raise one error if the disk is gone, rather than skip thousands of images."""
    images = manifest.images
    if isinstance(images, Files) and not images.root.is_dir():
        raise DataNotFoundError(
            f"The folder of the images is gone: {images.root}. Rows made so far are kept; run the command again when the "
            "folder is back."
        )
