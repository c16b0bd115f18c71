"""How fast stage one is, from some rows that go its whole way: decoding, network and commits side by side."""

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
from pipeline.stage_one.compute import Engine, Item, compute

SHARD_BATCHES = 2
"""A sample's shards are small, so that while it lasts commits go on beside the network as they do in a long run."""

_RUN_IN = 0.25
"""Share of the batches that are not counted: the first ones find graphs untraced and caches cold."""


@dataclass(frozen=True)
class Pace:
    """What a process did, and with what."""

    engine: str
    num_rows: int
    start_seconds: float
    """Until it would have begun, had it been as fast as later from its first row on: loading the network, the first batches."""

    rows_per_second: float
    peak_bytes: int
    """Of memory, all libraries included."""


class _Clock(tqdm):  # type: ignore[misc]
    """A bar that is not shown, and notes when how many rows were through."""

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
    """Make these rows in this process, which should have done nothing before, and commit them.

    Args:
        manifest: The images.
        items: What to make of them.
        recipe: How.
        folder: The store's, where shards go.
        make_engine: Loads the network.
        batch_size: Images a step.

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
    speed, begun = steady_pace([moment - start for moment in clock.times], clock.rows)
    return Pace(done.engine, done.num_rows, begun, speed, _peak_memory())


def steady_pace(times: Sequence[float], rows: Sequence[int]) -> tuple[float, float]:
    """Rows a second, and the second at which so even a run would have begun: the line through rows over time.

    Engines that work on several batches at once finish them together, so two single moments would tell little.

    Args:
        times: When batches were through, in seconds.
        rows: How many rows were, each time.
    """
    first = int(len(times) * _RUN_IN)
    if len(times) - first < 2 or times[-1] == times[first]:
        speed = rows[-1] / times[-1]
        return speed, 0.0
    slope, offset = np.polyfit(times[first:], rows[first:], 1)
    return float(slope), max(0.0, float(-offset / slope))


def _peak_memory() -> int:
    """Largest memory of this process so far, in bytes; where the system does not tell, that of now."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return int(psutil.Process().memory_info().rss)
    # getrusage would say what the parent had in memory when it started this process, if that was more.
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) * 1024
