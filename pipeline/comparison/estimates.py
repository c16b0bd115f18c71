"""Estimates for stage one of any number of images, from measurements on a sample. Arithmetic only."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.comparison.break_even import times_until_paid

_SHARDS_IN_MEMORY = 4
"""Maximum of raw shards in memory: the one that is being filled, and three copies of the one before (rows, array, packed)."""


@dataclass(frozen=True)
class Sample:
    """What one process measured while it made some rows with one base."""

    rows_per_second: float
    start_seconds: float
    """Of each process, until its first row."""

    once_seconds: float
    """Once per machine: to convert the network and to compare engines."""

    peak_bytes: float
    """Memory of the process, with shards of `shard_rows`."""

    shard_rows: int
    row_bytes: float
    """Of a row in memory."""

    stored_bytes: float
    """Of a row on disk."""


@dataclass(frozen=True)
class Work:
    """How many rows are made, and how they are divided."""

    num_rows: int
    """Rows that are missing: of images, and of views of training images."""

    workers: int
    """Each on a machine or GPU like the one that was measured."""

    task_rows: int
    """Rows per task of a worker."""

    shard_rows: int
    """Maximum of rows per shard."""


@dataclass(frozen=True)
class HeadCosts:
    """Number of images that a head is trained on, and seconds per image."""

    num_train: int
    num_watched: int
    """Validation images."""

    epochs: int
    step: float
    """Training step of the head."""

    infer: float
    """Forward pass of the head."""

    live: float
    """Decoding and the frozen base's forward pass, where no row is cached."""


@dataclass(frozen=True)
class StageOneEstimate:
    """What stage one takes."""

    seconds: float
    """Without `Sample.once_seconds`."""

    gigabytes: float
    """On disk."""

    shards: int
    memory_gigabytes: float
    """Per worker."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "seconds": self.seconds,
            "hours": self.seconds / 3600,
            "gigabytes": self.gigabytes,
            "shards": self.shards,
            "memory_gigabytes": self.memory_gigabytes,
        }


@dataclass(frozen=True)
class TrainingEstimate:
    """When cached rows cost less than running the base in every epoch."""

    epochs: int | None
    """Of one head; None: never."""

    heads: int | None
    """Of `HeadCosts.epochs` epochs each; None: never."""

    cached_epoch_seconds: float
    live_epoch_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def estimate_stage_one(sample: Sample, work: Work) -> StageOneEstimate:
    """Seconds, bytes, shards and memory of stage one; none where no row is missing."""
    if not work.num_rows:
        return StageOneEstimate(0.0, 0.0, 0, 0.0)
    # One worker makes its tasks without a break; several wait for the last task.
    task_rows = work.num_rows if work.workers == 1 else min(work.task_rows, work.num_rows)
    num_tasks = math.ceil(work.num_rows / task_rows)
    max_rows = math.ceil(num_tasks / work.workers) * task_rows
    shard_rows = min(work.shard_rows, task_rows)
    more_bytes = _SHARDS_IN_MEMORY * max(0, shard_rows - sample.shard_rows) * sample.row_bytes
    return StageOneEstimate(
        seconds=sample.start_seconds + max_rows / sample.rows_per_second,
        gigabytes=work.num_rows * sample.stored_bytes / 1e9,
        shards=num_tasks * math.ceil(task_rows / shard_rows),
        memory_gigabytes=(sample.peak_bytes + more_bytes) / 1e9,
    )


def estimate_training(costs: HeadCosts, stage_one_seconds: float) -> TrainingEstimate:
    """Seconds per epoch, cached and live, and when the cached rows break even."""
    cached = costs.num_train * costs.step + costs.num_watched * costs.infer
    saved = (costs.num_train + costs.num_watched) * costs.live
    return TrainingEstimate(
        epochs=times_until_paid(stage_one_seconds, saved),
        heads=times_until_paid(stage_one_seconds, costs.epochs * saved),
        cached_epoch_seconds=cached,
        live_epoch_seconds=cached + saved,
    )
