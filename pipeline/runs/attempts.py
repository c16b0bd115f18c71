"""Steps after a training that may fail without an error: the run is saved by then, and does not depend on plots and logs."""

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)


def attempt(what: str, function: Callable[..., object], *arguments: object) -> bool:
    """Call a function; an error becomes a warning.

    matplotlib, TensorBoard and MLflow raise errors of any type.

    Args:
        what: The beginning of the warning. With `--debug` the traceback is logged too.
        function: The function.
        arguments: Its arguments.

    Returns:
        Whether the function raised no error.
    """
    try:
        function(*arguments)
    except Exception as error:  # of any library, and the run is saved: no error may undo that
        is_debug = logger.isEnabledFor(logging.DEBUG)
        logger.warning("%s: %s: %s", what, type(error).__name__, error, exc_info=is_debug)
        return False
    return True
