"""The speed of stage one, measured on a sample that is decoded, computed and committed as in a full run."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from tqdm import tqdm

from pipeline.cache.outbox import FolderOutbox
from pipeline.cache.recipe import Recipe
from pipeline.errors import DataLayoutError
from pipeline.execution.threads import num_threads
from pipeline.images.manifest import Manifest
from pipeline.stage_one.computing.compute import compute
from pipeline.stage_one.engines.engine import Engine
from pipeline.stage_one.missing import Item

SHARD_BATCHES = 2
"""Batches per shard. A sample has small shards, so that commits overlap with the network as in a long run."""

_WARM_UP = 0.25
"""Share of the batches that are not counted: during the first ones, graphs are traced and caches fill."""


@dataclass(frozen=True)
class Pace:
    """The speed and the memory of a measured process."""

    engine: str
    num_rows: int
    start_seconds: float
    """Overhead of loading the network and of the slow first batches: when a run at constant speed would have started."""

    rows_per_second: float
    peak_bytes: int
    """Peak memory of the process, libraries included."""


class _Clock(tqdm):  # type: ignore[misc]
    """A hidden progress bar that records when how many rows were finished."""

    def __init__(self) -> None:
        super().__init__(disable=True)
        self.times: list[float] = []
        self.rows: list[int] = []

    def update(self, n: float | None = 1) -> bool | None:
        self.times.append(time.monotonic())
        self.rows.append((self.rows[-1] if self.rows else 0) + int(n or 0))
        return None


def measure_pace(
    manifest: Manifest,
    items: Sequence[Item],
    recipe: Recipe,
    folder: Path,
    make_engine: Callable[[], Engine],
    batch_size: int,
) -> Pace:
    """Compute and commit rows in this process, which should have done nothing before.

    Args:
        manifest: The images.
        items: The rows to compute.
        recipe: Of the rows.
        folder: The store's folder, where shards go.
        make_engine: Loads the network.
        batch_size: Images handed to the engine at a time.

    Raises:
        DataLayoutError: None of the images can be read.
    """
    start, clock = time.monotonic(), _Clock()
    done = compute(
        manifest,
        items,
        recipe,
        FolderOutbox(recipe, folder),
        make_engine,
        batch_size=batch_size,
        num_threads=num_threads(),
        bar=clock,
        shard_rows=SHARD_BATCHES * batch_size,
    )
    if done.engine is None:
        reasons = "; ".join(sorted(set(done.left_out.values()))[:3])
        raise DataLayoutError(f"None of the sample's {len(items)} images can be read: {reasons}")
    speed, start_seconds = steady_pace([moment - start for moment in clock.times], clock.rows)
    return Pace(done.engine, done.num_rows, start_seconds, speed, _peak_memory())


def steady_pace(times: Sequence[float], rows: Sequence[int]) -> tuple[float, float]:
    """Rows per second, and the time at which a run of this constant speed would have started: a line fitted to rows over time.

    Engines that work on several batches at once finish them together, so two single points would not be enough.

    Args:
        times: When batches were finished, in seconds since the start.
        rows: How many rows were finished by then.
    """
    first = int(len(times) * _WARM_UP)
    if len(times) - first < 2 or times[-1] == times[first]:
        speed = rows[-1] / times[-1]
        return speed, 0.0
    slope, offset = np.polyfit(times[first:], rows[first:], 1)
    return float(slope), max(0.0, float(-offset / slope))


def _peak_memory() -> int:
    """Peak memory of this process in bytes; current memory where the system does not record the peak."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return int(psutil.Process().memory_info().rss)
    # Not getrusage: it counts the memory that the parent had when it started this process.
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024
