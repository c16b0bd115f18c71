"""SHA-256 of files, with a cache of digests: a file whose stat has not changed is not read again.

A wrong entry of the cache cannot lead to a wrong row: rows are keyed by the digest, and stage one checks the
digest of the bytes that it decodes.
"""

import errno
import hashlib
import itertools
import os
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline.images.decoding.decoder import MAX_BYTES
from pipeline.images.files.hash_table import Stamp, forget, recall, remember
from pipeline.progress import progress_bar

# A file that was written less than this time before its stat may change again without a change of
# its time stamp (git's "racy" rule), so its digest is not remembered yet.
RACY_NS = 2_000_000_000


@dataclass(frozen=True)
class FileHashes:
    """Digests of files, remembered in an SQLite file, which can be deleted at any time; see `pipeline.images.files.hash_table`."""

    path: Path | None = None
    """The SQLite file; None remembers nothing."""

    clock_ns: Callable[[], int] = time.time_ns
    """The current time in ns since 1970."""

    def digests(self, files: Sequence[Path | str], *, progress: bool = False) -> list[bytes | OSError]:
        """SHA-256 of each image file, 32 bytes each; for a file that cannot be read or is too large for an image, the error instead."""
        here = str(Path.cwd())
        keys = [_key(here, file) for file in files]
        return self._digests(
            keys, map(file_stamp, files), lambda row: sha256_file(files[row], MAX_BYTES), progress=progress
        )

    def member_digests(
        self, container: Path, members: Sequence[str], read: Callable[[int], bytes], *, progress: bool = False
    ) -> list[bytes | OSError]:
        """SHA-256 of each member of a file, remembered as long as that file has not changed.

        Args:
            container: An archive, or a table that contains images.
            members: Unique names of its members.
            read: Returns the bytes of member i; several threads call it at a time.
            progress: Show a bar.
        """
        here = str(Path.cwd())
        keys = [_key(here, f"{container}/{member}") for member in members]
        return self._digests(
            keys,
            itertools.repeat(file_stamp(container), len(keys)),
            lambda row: hashlib.sha256(read(row)).digest(),
            progress=progress,
        )

    def remembered(self, path: Path | str) -> dict[str, bytes]:
        """Digests that are remembered of a path, whether it still exists or not, and of everything below it, by absolute path."""
        if self.path is None:
            return {}
        key = os.path.normpath(_key(str(Path.cwd()), path))
        found = recall(self.path, key)
        return {name: digest for name, (_, digest) in found.items() if name == key or name.startswith(f"{key}{os.sep}")}

    def forget(self, digests: Collection[bytes], *, is_dry: bool) -> list[str]:
        """Remove what is remembered of files with these digests, and return their paths.

        Args:
            digests: SHA-256 of each file.
            is_dry: Change nothing, only find the paths.
        """
        return [] if self.path is None else forget(self.path, digests, is_dry=is_dry)

    def _digests(
        self,
        keys: Sequence[str],
        new_stamps: Iterable[Stamp | None],
        compute: Callable[[int], bytes],
        *,
        progress: bool,
    ) -> list[bytes | OSError]:
        stat_ns = self.clock_ns()
        known = self._recall(keys)
        found: list[bytes | OSError | None] = []
        stamps: list[Stamp | None] = []
        for key, stamp in zip(keys, new_stamps, strict=True):
            stamps.append(stamp)
            remembered = known.get(key)
            found.append(remembered[1] if remembered and remembered[0] == stamp else None)
        unknown = [position for position, digest in enumerate(found) if digest is None]
        with ThreadPoolExecutor() as pool:
            computed = pool.map(partial(_digest_or_error, compute), unknown)
            bar = progress_bar(computed, desc="hashing", total=len(unknown), unit="file", progress=progress)
            for position, digest in zip(unknown, bar, strict=True):
                found[position] = digest
        self._remember(((keys[p], stamps[p], found[p]) for p in unknown), stat_ns)
        return [digest for digest in found if digest is not None]

    def recall(self, keys: Sequence[str]) -> dict[str, tuple[Stamp, bytes]]:
        """What is remembered of these and of others whose names begin in the same way: stamps and digests by key."""
        return {} if self.path is None or not keys else recall(self.path, _start_of(keys))

    def remember(self, entries: Iterable[tuple[str, Stamp, bytes]]) -> None:
        """Remember the stamps and digests of these keys."""
        rows = list(entries)
        if self.path is not None and rows:
            remember(self.path, rows)

    def _recall(self, keys: Sequence[str]) -> dict[str, tuple[Stamp, bytes]]:
        if self.path is None or not keys:
            return {}
        return recall(self.path, os.path.commonpath({os.path.dirname(key) for key in keys}))  # noqa: PTH120 of many strings

    def _remember(self, entries: Iterable[tuple[str, Stamp | None, bytes | OSError | None]], stat_ns: int) -> None:
        # Counted from the stat, not from now: hashing the other files may have taken minutes since then.
        newest = stat_ns - RACY_NS
        rows = [
            (path, stamp, digest)
            for path, stamp, digest in entries
            if stamp is not None and isinstance(digest, bytes) and max(stamp[1], stamp[2]) < newest
        ]
        if self.path is not None and rows:
            remember(self.path, rows)


def _start_of(keys: Sequence[str]) -> str:
    """The characters that all keys begin with."""
    first, last = min(keys), max(keys)
    same = (number for number, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1])
    return first[: next(same, min(len(first), len(last)))]


def sha256_file(path: Path | str, at_most: int | None = None) -> bytes:
    """SHA-256 of a file's bytes, 32 bytes.

    Args:
        path: The file.
        at_most: Largest size in bytes: a file of terabytes, which may have no content on the disk, would take hours.

    Raises:
        OSError: The file cannot be read, or is larger.
    """
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if at_most is not None and size > at_most:
            raise OSError(errno.EFBIG, f"{size:,} bytes; the limit is {at_most:,}", str(path))
        return hashlib.file_digest(file, "sha256").digest()


def _digest_or_error(compute: Callable[[int], bytes], position: int) -> bytes | OSError:
    try:
        return compute(position)
    except OSError as error:
        return error


def file_stamp(path: Path | str) -> Stamp | None:
    """Size, mtime, ctime and inode, which change with the file; None if the file does not exist."""
    try:
        stat = os.stat(path)  # noqa: PTH116 making a million Paths takes longer than a million stats
    except OSError:
        return None
    # ctime shows an edit after which the old mtime was set again.
    return (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


def _key(here: str, file: Path | str) -> str:
    path = os.path.join(here, file)  # noqa: PTH118 of many strings
    # SQLite stores valid Unicode only; two names with the same key still differ in their stamps.
    return path if path.isascii() else path.encode("utf-8", "backslashreplace").decode()
