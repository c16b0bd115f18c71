"""What comes after a training may fail: the run is on disk by then, and worth more than its plots and logs."""

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


def attempt(what: str, function: Callable[..., object], *arguments: object) -> bool:
    """Call a function; log its error as a warning that begins with `what`. Whether it went well.

    matplotlib, TensorBoard and MLflow raise errors of any kind. With `--debug` the traceback is logged too.
    """
    try:
        function(*arguments)
    except Exception as error:
        is_debug = logger.isEnabledFor(logging.DEBUG)
        logger.warning("%s: %s: %s", what, type(error).__name__, error, exc_info=is_debug)
        return False
    return True
