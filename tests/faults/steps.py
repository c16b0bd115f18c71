"""Functions that end their process at one of their calls."""

import itertools
import os
import signal
from collections.abc import Callable
from typing import Any


def killing_before(step: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What wraps functions so that the process kills itself before the call of this number; the calls of all of them are counted together."""
    steps = itertools.count()

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **settings: Any) -> Any:
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **settings)

        return called

    return wrapped
