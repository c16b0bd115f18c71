"""What stage one of any number of images will take, from what a sample of them took. Plain arithmetic."""

import math
from dataclasses import dataclass
from typing import Any

from pipeline.comparison.break_even import pays_after

_SHARDS_IN_MEMORY = 4
"""Of raw rows at most: the shard that is being filled; the one before as it came, as one array, and packed."""


@dataclass(frozen=True)
class Sample:
    """What a process that made some rows with one base was found to need."""

    rows_per_second: float
    start_seconds: float
    """Of each process, until it computes."""

    once_seconds: float
    """On each machine, the first time: converting the network and comparing engines."""

    peak_bytes: float
    """Memory of the process, with shards of `shard_rows`."""

    shard_rows: int
    row_bytes: float
    """A row in memory."""

    stored_bytes: float
    """A row on the disk."""


@dataclass(frozen=True)
class Work:
    """What is to be done."""

    num_rows: int
    """Images, and views of training images."""

    workers: int
    """Each on a machine, or a GPU, like the one that was measured."""

    task_rows: int
    """Rows that one worker makes at a time."""

    shard_rows: int
    """Rows of a shard at most."""


@dataclass(frozen=True)
class HeadCosts:
    """What a head is trained on, and what an image of it costs in seconds."""

    num_train: int
    num_watched: int
    """Validation images."""

    epochs: int
    step: float
    """A training step of the head."""

    infer: float
    """The head's answer."""

    live: float
    """The frozen base's output for a photograph, where no row is kept."""


def plan_stage_one(sample: Sample, work: Work) -> dict[str, Any]:
    """Seconds, bytes, shards and memory.

    Returns:
        {seconds, hours, gigabytes, shards, memory_gigabytes}; seconds do not hold those of `once_seconds`.
    """
    # One worker goes on from task to task without an end between them; several wait for the last one.
    task_rows = work.num_rows if work.workers == 1 else min(work.task_rows, work.num_rows)
    num_tasks = math.ceil(work.num_rows / task_rows)
    most_rows = math.ceil(num_tasks / work.workers) * task_rows
    seconds = sample.start_seconds + most_rows / sample.rows_per_second
    shard_rows = min(work.shard_rows, task_rows)
    more_bytes = _SHARDS_IN_MEMORY * max(0, shard_rows - sample.shard_rows) * sample.row_bytes
    return {
        "seconds": seconds,
        "hours": seconds / 3600,
        "gigabytes": work.num_rows * sample.stored_bytes / 1e9,
        "shards": num_tasks * math.ceil(task_rows / shard_rows),
        "memory_gigabytes": (sample.peak_bytes + more_bytes) / 1e9,
    }


def plan_break_even(training: HeadCosts, stage_one_seconds: float) -> dict[str, Any]:
    """When the rows have cost less than running the base in every epoch.

    Returns:
        {epochs of one head, heads of so many epochs, cached_epoch_seconds, live_epoch_seconds}.
    """
    num_seen = training.num_train + training.num_watched
    cached = training.num_train * training.step + training.num_watched * training.infer
    saved = num_seen * training.live
    return {
        "epochs": pays_after(stage_one_seconds, saved),
        "heads": pays_after(stage_one_seconds, training.epochs * saved),
        "cached_epoch_seconds": cached,
        "live_epoch_seconds": cached + saved,
    }
