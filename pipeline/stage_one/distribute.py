"""Stage one by workers: tasks out, shards in, and what is done when a worker dies."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from tqdm import tqdm

from pipeline.cache.store import Store
from pipeline.errors import ClusterError, DataNotFoundError, WorkerDiedError
from pipeline.execution.tasks import Lost
from pipeline.execution.workers import Workers
from pipeline.images.manifest import Files, Manifest
from pipeline.stage_one.compute import Engine, read_scanned
from pipeline.stage_one.extract import Extraction, leave_out, missing_items, stage_one_bar
from pipeline.stage_one.tasks import RowTask, RowTaskResult, run_task
from pipeline.watchdog import CLUSTER_LIMIT_SECONDS, Moved, watch

logger = logging.getLogger(__name__)

_PARTS = 8
"""Into so many parts a task is split that killed its worker again."""

_MOST_SET_ASIDE = 8
"""Images that may be set aside for killing workers; where more do, it is not the images."""


def distribute(
    manifest: Manifest,
    store: Store,
    make_engine: Callable[[], Engine],
    workers: Workers,
    *,
    views: Sequence[int] = (0,),
    batch_size: int = 32,
    gather: bool = False,
    ship_images: bool = False,
    progress: bool = False,
) -> Extraction:
    """Make the rows that the store lacks, by workers.

    A worker that dies costs its task: what is missing of it is made by another one. A task whose workers die again is
    split until the image that kills them is found; it is left out and listed in the result's `manifest.skipped`.
    An image that a worker cannot read, or of which it has other bytes, is read here and sent to a worker; it is left
    out only if this process cannot read it either.

    Args:
        manifest: The images.
        store: Where rows are looked up and added.
        make_engine: Loads the network in a worker, once for all of its tasks; pickled by its name.
        workers: Who works.
        views: View numbers; those above 0 need a recipe with an augmentation, and 0 one without.
        batch_size: Images handed to the engine at a time.
        gather: Workers send their shards' bytes, and this process commits them; otherwise they write to the store's folder.
        ship_images: Photographs are sent with the tasks; otherwise workers read them, from the same path.
        progress: Show a bar.

    Raises:
        SettingError: The views do not fit the recipe.
        ClusterError: The cluster does not answer, or lacks what a task needs.
        DataNotFoundError: The folder of the images is gone, here too.
        WorkerDiedError: Workers die whichever image they work on.
        OSError: The store cannot be written.
    """
    start = time.monotonic()
    items = missing_items(manifest, store, views)
    store.prepare()
    ships = ship_images or not manifest.is_files
    folder, known = (
        (None, frozenset[str]())
        if gather
        else (store.folder.resolve(), frozenset(path.name for path in store.shard_paths()))
    )
    whole = RowTask(manifest, tuple(items), store.recipe, make_engine, batch_size, folder, ships, known)
    with watch("Stage one", CLUSTER_LIMIT_SECONDS) as moved, stage_one_bar(len(items), progress=progress) as bar:
        done = _Job(store, workers, bar, moved)
        done.run(whole)
    store.refresh()
    return Extraction(
        manifest=leave_out(manifest, done.skipped),
        store=store,
        num_new=int(store.has(whole.keys()).sum()),
        seconds=time.monotonic() - start,
        engine=done.engine,
    )


@dataclass
class _Job:
    """What has been done of a stage one."""

    store: Store
    workers: Workers
    bar: "tqdm[Any]"
    moved: Moved
    skipped: dict[bytes, str] = field(default_factory=dict)
    unread: set[bytes] = field(default_factory=set)
    """Digests of images that a worker could not read."""

    blamed: set[str] = field(default_factory=set)
    """Workers that could not read what this process can."""

    engine: str | None = None
    num_made: int = 0
    num_set_aside: int = 0

    def run(self, whole: RowTask) -> None:
        """All rows; those of images that a worker could not read once more, from the bytes that this process reads."""
        self._make(whole.cut())
        if not self.unread:
            return
        _check_folder(whole.manifest)
        self.store.refresh()
        unread = whole.part([place for place, digest in enumerate(whole.digests()) if digest in self.unread])
        for part in self._open_parts([replace(unread, ships=True)]):
            self._make(part.cut())

    def _make(self, tasks: Sequence[RowTask]) -> None:
        """All tasks; those that were lost once more; those that were lost again one at a time."""
        lost = self._take(tasks)
        for task in self._take(self._open_parts(lost)):
            for part in self._open_parts([task]):
                self._isolate(part)

    def _isolate(self, task: RowTask) -> None:
        """Make the rows of a task that may kill its worker, but for the image that does."""
        if not self._take([task], alone=True):
            return
        if len(task) > 1:
            for part in self._open_parts([task]):
                for piece in part.split(-(-len(part) // _PARTS)):
                    self._isolate(piece)
            return
        self.num_set_aside += 1
        name = task.manifest.names[0]
        if self.num_set_aside > _MOST_SET_ASIDE:
            raise WorkerDiedError(
                f"Workers die whichever image they work on, {name} the last; most often memory runs out. What was made is "
                "kept. Try a smaller --batch-size, or fewer --workers."
            )
        self.skipped[task.manifest.digests[0]] = "killed the worker that worked on it, twice"

    def _take(self, tasks: Sequence[RowTask], *, alone: bool = False) -> list[RowTask]:
        """Have tasks done and their shards in the store; those that were lost."""
        lost = []
        for task, outcome in self.workers.run(run_task, tasks, pack=RowTask.packed, alone=alone):
            if isinstance(outcome, Lost):
                lost.append(task)
                self.moved()
                self.store.refresh()  # what it had committed
            else:
                self._add(outcome)
                self._take_unread(task, outcome)
        return lost

    def _take_unread(self, task: RowTask, outcome: RowTaskResult) -> None:
        """Images of which a worker had no bytes: skipped if they were sent from here, otherwise this process reads them later."""
        if task.ships:
            self.skipped |= outcome.unread
            return
        self.unread |= outcome.unread.keys()
        if outcome.worker not in self.blamed:
            self._blame(task.manifest, outcome)

    def _blame(self, manifest: Manifest, outcome: RowTaskResult) -> None:
        """Name a worker that could not read what this process can; one image tells."""
        for digest, reason in list(outcome.unread.items())[:1]:
            row = manifest.digests.index(digest)
            if isinstance(read_scanned(manifest, row), bytes):
                self.blamed.add(outcome.worker)
                logger.warning(
                    "Worker %s lacks images that this process can read: %d of a task, the first %s (%s). They are sent to "
                    "the workers instead. Check the images on that machine, or use --ship-images.",
                    outcome.worker,
                    len(outcome.unread),
                    manifest.names[row],
                    reason,
                )

    def _add(self, outcome: RowTaskResult) -> None:
        for data in outcome.shards:
            self.store.add_shard(data)
        missing = [name for name in outcome.names if not (self.store.folder / "shards" / name).is_file()]
        if missing:
            raise ClusterError(
                f"A worker has committed {missing[0]}, and it is not in {self.store.folder}: "
                "use --gather where machines do not share the cache folder."
            )
        self.skipped |= outcome.skipped
        self.engine = self.engine or outcome.engine
        self.bar.update(outcome.num_rows)
        self.num_made += outcome.num_rows
        self.moved(f"{self.num_made:,} new rows were committed; the same command goes on from there.")

    def _open_parts(self, tasks: Sequence[RowTask]) -> list[RowTask]:
        """What is still missing of tasks."""
        parts = [task.part(np.flatnonzero(~self.store.has(task.keys())).tolist()) for task in tasks]
        return [part for part in parts if len(part)]


def _check_folder(manifest: Manifest) -> None:
    """A disk that is gone is not the fault of thousands of images."""
    images = manifest.images
    if isinstance(images, Files) and not images.root.is_dir():
        raise DataNotFoundError(
            f"The folder of the images is gone: {images.root}. Rows made so far are kept; run the command again when the "
            "folder is back."
        )
