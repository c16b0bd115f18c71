"""A cache that cannot be written: rows that it lacks are computed into a temporary folder, which is removed with the last reference."""

import errno
import logging
import shutil
import tempfile
import weakref
from pathlib import Path

from pipeline.cache.store import Store

logger = logging.getLogger(__name__)

_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class BorrowedStore(Store):
    """The rows of another store, which is only read, together with new rows in a temporary folder."""

    def __init__(self, lender: Store) -> None:
        folder = Path(tempfile.mkdtemp(prefix="bottleneck-rows-"))
        super().__init__(folder, lender.recipe)
        self._lender = lender
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def shard_paths(self) -> list[Path]:
        """The shards of both."""
        return [*self._lender.shard_paths(), *super().shard_paths()]


def writable(store: Store) -> Store:
    """The store, or one in a temporary folder that has its rows too, if its own folder cannot be written; then with a warning."""
    refusal = _try_to_write(store)
    if refusal is None:
        return store
    logger.warning(
        "%s cannot be written (%s): new rows are computed for this time only. Choose a folder that can be written with --cache "
        "to keep them.",
        store.folder.parent,
        refusal,
    )
    return BorrowedStore(store)


def _try_to_write(store: Store) -> str | None:
    """Why nothing can be written to a store; None if it can be. Other errors than a refusal are left to the writing itself."""
    try:
        with tempfile.TemporaryFile(dir=store.prepare()):
            return None
    except OSError as error:
        return error.strerror if error.errno in _REFUSED else None
