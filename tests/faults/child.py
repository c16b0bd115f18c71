"""Stage one in a process of its own, on an engine without a network, so that it starts in a second and can be killed.

    python -m tests.faults.child DATA CACHE [--at STEP] [--delay SECONDS] [--workers N]

STEP names a place in the commit of the third shard at which the process kills itself. With workers it is they who work.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.cache import shard
from pipeline.cache.store import Store
from pipeline.execution.workers import Workers
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.scan import scan
from pipeline.stage_one.computing import pending
from pipeline.stage_one.extraction import Extraction
from tests.cache.samples import RECIPE
from tests.stage_one.whole import distribute, extract_in_process

SIDE = 16
SHARD_ROWS = 8
SMALL = replace(RECIPE, decoder=Decoder(SIDE))
STEPS = ("written", "synced", "renamed", "folder synced")


@dataclass
class Averages:
    """The mean colour of each quarter of an image, (2, 2, 3); counts what it saw."""

    delay: float = 0.0
    num_images: int = 0
    concurrency: int = 1

    def __call__(self, num_rows: int) -> "Averages":
        return self

    @property
    def provenance(self) -> dict[str, str]:
        return {"engine": "averages"}

    def features(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        time.sleep(self.delay)
        self.num_images += len(inputs)
        quarters = inputs.reshape(len(inputs), 2, SIDE // 2, 2, SIDE // 2, 3)
        return quarters.mean(axis=(2, 4)).astype(np.float32)


def run(data: Path, cache: Path, engine: Averages) -> Extraction:
    """Stage one in shards of eight rows, the only process that adds."""
    store, usual = Store(cache, SMALL), pending._SHARD_ROWS
    pending._SHARD_ROWS = SHARD_ROWS
    try:
        with store.adding():
            return extract_in_process(scan(data), store, engine, batch_size=4)
    finally:
        pending._SHARD_ROWS = usual


def run_by_workers(data: Path, cache: Path, delay: float, count: int) -> Extraction:
    """The same by processes, a shard for each task."""
    store = Store(cache, SMALL)
    with store.adding():
        workers = Workers("loky", count=count)
        return distribute(scan(data), store, partial(Averages, delay), workers, batch_size=4)


def die_at(step: str) -> None:
    """Arrange for SIGKILL at a step of the third commit."""
    left = {"commits": 3}

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def around(function: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            is_last = left["commits"] == 0
            if is_last and before:
                die()
            result = function(*arguments)
            if is_last:
                die()
            return result

        return called

    def counted(*arguments: Any) -> Path:
        left["commits"] -= 1
        return commit(*arguments)

    commit = shard.commit_shard
    from pipeline import files
    from pipeline.cache import store

    store.commit_shard = counted
    if step in ("written", "synced"):
        os.fsync = around(os.fsync, before=step == "written")
    elif step == "renamed":
        Path.replace = around(Path.replace, before=False)  # type: ignore[method-assign]
    else:
        files.sync_folder = around(files.sync_folder, before=False)


def main() -> None:
    """Run until the end or until something happens to the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("--at", choices=STEPS)
    parser.add_argument("--delay", type=float, default=0.01, help="of four images, in seconds")
    parser.add_argument("--workers", type=int)
    given = parser.parse_args()
    if given.at:
        die_at(given.at)
    try:
        if given.workers:
            done = run_by_workers(given.data, given.cache, given.delay, given.workers)
        else:
            done = run(given.data, given.cache, Averages(given.delay))
    except OSError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    sys.stdout.write(f"{done.num_new}\n")


if __name__ == "__main__":
    main()
