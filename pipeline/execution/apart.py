"""A single call in a new process, whose memory use is its own."""

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from pipeline.errors import WorkerDiedError
from pipeline.execution.parent import follow
from pipeline.execution.safe_path import safe_path
from pipeline.execution.tasks import Result
from pipeline.quiet import quiet_tensorflow


def run_apart(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call a function in a new process, which may use all cores and ends with the call, and return the result.

    Args:
        function: Pickled by name.
        arguments: Pickled.

    Raises:
        WorkerDiedError: The process was killed.
    """
    context = multiprocessing.get_context("spawn")
    with safe_path(), ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=(os.getpid(),)) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise WorkerDiedError(
                "The process that measures was killed, most often because memory ran out. Try a smaller --batch-size."
            ) from error


def _begin(parent: int) -> None:
    follow(parent)
    quiet_tensorflow()
