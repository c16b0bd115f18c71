"""A single call in a new process, whose memory use is its own."""

import os
from collections.abc import Callable
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
        function: Pickled.
        arguments: Pickled.

    Raises:
        WorkerDiedError: The process was killed.
    """
    # Not multiprocessing: its new process runs the user's script again, unless that has a guard on `__name__`.
    from joblib.externals.loky import ProcessPoolExecutor

    with safe_path(), ProcessPoolExecutor(1, initializer=_begin, initargs=(os.getpid(),)) as pool:
        try:
            result: Result = pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise WorkerDiedError(
                "The process that measures was killed, most often because memory ran out. Try a smaller --batch-size."
            ) from error
        return result


def _begin(parent: int) -> None:
    follow(parent)
    quiet_tensorflow()
