"""A store for a cache that cannot be written: its rows, and new ones in a temporary folder that goes away with it."""

import contextlib
import errno
import logging
import os
import secrets
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

from pipeline.cache.own import check_store_folder, is_gone
from pipeline.cache.store import Store
from pipeline.errors import PipelineError, UnwritableStoreError

logger = logging.getLogger(__name__)

_WRITE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES, errno.EPERM, errno.ENOTDIR)
"""Errors of the system for a folder that takes no more files."""


class ScratchStore(Store):
    """Reads the rows of another store; adds rows to a temporary folder, which is deleted when this store is.

    Workers on other machines do not see that folder.

    Args:
        below: The store that cannot be written.
    """

    def __init__(self, below: Store) -> None:
        folder = Path(tempfile.mkdtemp(prefix="bottleneck-"))
        super().__init__(folder, below.recipe)
        self._below = below
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)

    def shard_paths(self) -> list[Path]:
        """The shards of both folders; raises the errors of `check_store_folder` and `list_folder`."""
        return self._below.shard_paths() + super().shard_paths()

    def quarantine(self, path: Path) -> None:
        """Move a damaged shard aside.

        Raises:
            OSError: It is in the folder that cannot be written; it stays there.
        """
        if path.is_relative_to(self.folder):
            super().quarantine(path)
        else:
            self._below.quarantine(path)


def store_that_takes_rows(store: Store) -> Store:
    """The store itself if its folder can be written; otherwise a `ScratchStore` over it, with a warning that says so."""
    try:
        _try_to_write(store.folder)
    except OSError as error:
        where, cause = error.filename or store.folder, error.strerror or error
        logger.warning(
            "%s cannot be written to (%s). New features are computed for this command and not stored.", where, cause
        )
        return ScratchStore(store)
    return store


def check_takes_rows(store: Store) -> None:
    """Check that rows can be stored, before they are computed. The folder of the store is made.

    Raises:
        UnwritableStoreError: They cannot.
        ForeignEntryError: The store is a symbolic link.
    """
    check_store_folder(store.folder)
    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        _try_to_write(store.folder)
    except OSError as error:
        raise _unwritable(store, error) from error


@contextlib.contextmanager
def naming_store(store: Store) -> Iterator[None]:
    """A block that stores rows: the errors of a disk that cannot be written, or is full, name the store and the cure.

    Raises:
        UnwritableStoreError: The block raised such an error.
    """
    try:
        yield
    except PipelineError:
        raise
    except OSError as error:
        is_here = error.filename is None or Path(str(error.filename)).is_relative_to(store.folder)
        if error.errno not in _WRITE_ERRORS or not is_here:
            raise
        raise _unwritable(store, error) from error


def _unwritable(store: Store, error: OSError) -> UnwritableStoreError:
    return UnwritableStoreError(
        f"Rows cannot be stored in {store.folder}: {error.strerror or error}. Choose another folder with --cache, or make room, or get "
        "the permission to write there."
    )


def _try_to_write(folder: Path) -> None:
    """Make an empty file where shards are made, or in the first folder above that exists, and remove it.

    Raises:
        OSError: It cannot be made; the error names the folder.
    """
    place = next((path for path in (folder / "shards", *(folder / "shards").parents) if not is_gone(path)), folder)
    probe = place / f".{secrets.token_hex(8)}.tmp"
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        probe.unlink()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(place)) from error
