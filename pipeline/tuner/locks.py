"""A lock that tuners take before they change a table beside the data; spreadsheets and scripts do not know it."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

_LOCK_SECONDS = 10


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file; without one in a folder that does not support locks.

    Args:
        path: The file, without links; its folder is made.

    Raises:
        OSError: Another tuner held it all the time.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(FileLock(path.with_name(f".{path.name}.lock"), timeout=_LOCK_SECONDS))
        except Timeout:
            raise
        except (NotImplementedError, OSError) as error:
            logger.info("No lock on %s: %s", path, error)
        yield
