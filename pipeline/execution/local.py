"""Tasks in processes or threads of this machine, through joblib."""

import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any

from pipeline.execution.parent import follow
from pipeline.execution.safe_path import safe_path
from pipeline.execution.tasks import Lost, Result, Task, Work
from pipeline.execution.threads import num_threads, take_share


def run_in_processes(work: Work[Task, Result], *, count: int) -> Iterator[tuple[Task, Result | Lost]]:
    """Run tasks in `count` processes; see `Workers.run`."""
    # joblib replaces a process whose memory has grown, and says so; no task is lost. Where warnings are errors, this one would end
    # joblib's own thread, and the caller would wait for ever.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given", category=UserWarning)
    # It says this where it runs all tasks in this process, one after the other.
    warnings.filterwarnings("ignore", message="Loky-backed parallel loops cannot be called", category=UserWarning)
    call = partial(_run_with_share, work.function, max(1, num_threads() // count), os.getpid())
    # At least two processes: joblib runs a single one in this process.
    return _run(work, call, backend="loky", num_jobs=max(2, count), num_ahead=count)


def run_in_threads(work: Work[Task, Result], *, count: int) -> Iterator[tuple[Task, Result | Lost]]:
    """Run tasks in `count` threads of this process; see `Workers.run`."""
    return _run(work, work.function, backend="threading", num_jobs=count, num_ahead=count)


def _run(
    work: Work[Task, Result], call: Callable[..., Result], *, backend: str, num_jobs: int, num_ahead: int
) -> Iterator[tuple[Task, Result | Lost]]:
    import joblib

    # joblib takes a few more tasks than it sends. Those come back as lost too, which costs nothing.
    waiting, running = list(enumerate(work.tasks))[::-1], dict[int, Task]()

    def dispatch() -> Iterator[Any]:
        while waiting:
            number, task = waiting.pop()
            running[number] = task
            yield joblib.delayed(_run_numbered)(call, number, work.pack(task), *work.share)

    with safe_path():
        while waiting:
            parallel = joblib.Parallel(
                n_jobs=num_jobs,
                backend=backend,
                pre_dispatch=num_ahead,
                batch_size=1,
                return_as="generator_unordered",
            )
            try:
                for number, result in parallel(dispatch()):
                    yield running.pop(number), result
            except BrokenProcessPool:
                yield from ((task, Lost.LOST) for task in running.values())
                running.clear()


def _run_with_share(function: Callable[..., Result], threads: int, parent: int, *arguments: Any) -> Result:
    """Call a function in a process that follows its parent; where joblib may start none, as in a worker of multiprocessing, that is this one."""
    if os.getpid() != parent:
        follow(parent)
        take_share(threads)
    return function(*arguments)


def _run_numbered(call: Callable[..., Result], number: int, *arguments: Any) -> tuple[int, Result]:
    return number, call(*arguments)
