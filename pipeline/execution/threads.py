"""Threads that this process may use: all cores, or its share of them if it is a worker."""

import os

from pipeline.quiet import quiet_tensorflow

_share: list[int] = []
"""Number of threads of this process; empty unless it is a worker."""


def num_threads() -> int:
    """Number of threads that this process may keep busy: its share if it is a worker, otherwise one per core."""
    return _share[0] if _share else num_cores()


def is_worker() -> bool:
    """Whether this process shares its machine with other workers of the same job."""
    return bool(_share)


def num_cores() -> int:
    """Number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def take_share(threads: int) -> None:
    """Make this process a worker that uses so many threads; TensorFlow reads the setting when it is imported."""
    quiet_tensorflow()
    _share[:] = [threads]
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(threads))
