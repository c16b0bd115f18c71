"""The file of remembered digests: a table in an SQLite file, which is read and written as a whole.

SQLite itself never opens the file: it would wait for locks, follow what a journal beside the file says, and run whatever a view of a
foreign file contains. The bytes are read, opened in memory, and used only if nothing but our table is in them. Concurrent
writers replace the file one after the other; what one of them remembered may be lost, which costs a second hashing.
"""

import contextlib
import itertools
import logging
import re
import sqlite3
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path

from pipeline.files import check_regular, read_regular, replacing

logger = logging.getLogger(__name__)

Stamp = tuple[int, int, int, int]
"""Size, mtime and ctime in ns, and inode of a file, which change with it."""

Entry = tuple[str, Stamp, bytes]
"""Path, stamp and SHA-256 of a file."""

# SQLite has no checksums, so each row has one.
_TABLE = """CREATE TABLE digests (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, sha256 BLOB, crc32 INTEGER
) WITHOUT ROWID"""
_HEADER = b"SQLite format 3\0"
_MAX_BYTES = 2**30
_MIN_ROW_BYTES = 40
"""A digest and a little more: so many rows at most are in a file, and a damaged one can pretend to have more."""

_STEPS = 100_000
"""Steps of SQLite after which it asks whether to go on."""


class ForeignTableError(OSError):
    """The file is not one of remembered digests, and is left as it is."""


def recall(path: Path, folder: str) -> dict[str, tuple[Stamp, bytes]]:
    """Stamps and digests of all remembered files below a folder; none if the file is missing, damaged or foreign."""
    try:
        with closing(_read(path)) as table:
            rows = _rows(table, "WHERE path >= ? AND path < ?", (folder, folder + "\U0010ffff"))
            return {entry[0]: entry[1:] for entry in rows}
    except FileNotFoundError:
        pass
    except OSError as error:
        logger.warning("%s Hashes of files are not remembered, so that all images are read.", _reason(error, path))
    except sqlite3.Error:
        logger.info("%s is damaged; the hashes are computed again.", path)
    return {}


def remember(path: Path, entries: Iterable[Entry]) -> None:
    """Add entries to the file. One that is damaged or of another version is made anew; a foreign one is left as it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(_read_or_new(path)) as table:
            rows = [(name, *stamp, digest, _crc32(name, stamp, digest)) for name, stamp, digest in entries]
            table.executemany("INSERT OR REPLACE INTO digests VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            table.commit()
            with replacing(path) as beside:
                beside.write_bytes(table.serialize())
    except (OSError, sqlite3.Error) as error:
        logger.info("Hashes of files are not remembered in %s: %s", path, error)


def forget(path: Path, digests: Collection[bytes], *, is_dry: bool) -> list[str]:
    """Remove all entries with these digests, and return their paths. The file is written anew, so no freed page keeps them.

    A damaged file is removed if their bytes are in it; so is a damaged one that was kept under another name.

    Args:
        path: The file; a missing or foreign one has no such entries.
        digests: SHA-256 of each file.
        is_dry: Change nothing, only find the entries.
    """
    wanted, aside = frozenset(digests), path.with_name(f"{path.name}.damaged")
    found = _forget_in(path, wanted, is_dry=is_dry)
    if _holds(aside, wanted):
        found.append(aside.name)
        if not is_dry:
            aside.unlink(missing_ok=True)
    return found


def _forget_in(path: Path, digests: frozenset[bytes], *, is_dry: bool) -> list[str]:
    try:
        with closing(_read(path)) as table:
            entries = list(_rows(table))
    except (FileNotFoundError, ForeignTableError):
        return []
    except sqlite3.Error:
        if not _holds(path, digests):
            return []
        if not is_dry:
            path.unlink(missing_ok=True)
        return [path.name]
    found = [name for name, _, digest in entries if digest in digests]
    if found and not is_dry:
        with closing(sqlite3.connect(":memory:")) as table:
            table.execute(_TABLE)
            kept = [
                (name, *stamp, digest, _crc32(name, stamp, digest))
                for name, stamp, digest in entries
                if digest not in digests
            ]
            table.executemany("INSERT INTO digests VALUES (?, ?, ?, ?, ?, ?, ?)", kept)
            table.commit()
            with replacing(path, sync=True) as beside:
                beside.write_bytes(table.serialize())
    return found


def _holds(path: Path, digests: frozenset[bytes]) -> bool:
    """Whether a file has the bytes of one of these digests in it."""
    try:
        data = read_regular(path, _MAX_BYTES)
    except OSError:
        return False
    return any(digest in data for digest in digests)


def _read_or_new(path: Path) -> sqlite3.Connection:
    """The table in the file; an empty one if it is missing, damaged or of another version."""
    old = None
    with contextlib.suppress(FileNotFoundError, sqlite3.Error):
        old = _read(path)
        if old.execute("PRAGMA quick_check(1)").fetchall() == [("ok",)]:
            old.set_progress_handler(None, 0)
            return old
    if old is not None:
        old.close()
    _move_aside(path)
    table = sqlite3.connect(":memory:")
    table.execute(_TABLE)
    return table


def _move_aside(path: Path) -> None:
    """Keep a file that cannot be read as a table, whatever it is, under another name."""
    with contextlib.suppress(FileNotFoundError):
        check_regular(path)
        if path.stat().st_size:
            path.replace(path.with_name(f"{path.name}.damaged"))


def _read(path: Path) -> sqlite3.Connection:
    """The table of a file, in memory.

    Raises:
        FileNotFoundError: There is no file.
        ForeignTableError: It is a data base of something else.
        OSError: It is not a regular file, or cannot be read.
        sqlite3.Error: It is damaged.
    """
    data = read_regular(path, _MAX_BYTES)
    if not data.startswith(_HEADER):
        raise sqlite3.DatabaseError("not an SQLite file")
    table = sqlite3.connect(":memory:")
    try:
        _open(table, data, path)
    except BaseException:  # Ctrl-C too must not leave the table open
        table.close()
        raise
    return table


def _open(table: sqlite3.Connection, data: bytes, path: Path) -> None:
    most = len(data) // _MIN_ROW_BYTES
    # Python code called from SQLite would swallow Ctrl-C, so this is an iterator of the standard library.
    table.set_progress_handler(
        itertools.chain(itertools.repeat(0, most // 1000 + 100), itertools.repeat(1)).__next__, _STEPS
    )
    table.deserialize(data)
    found = table.execute("SELECT type, name, sql FROM sqlite_master LIMIT 9").fetchall()
    if [(kind, name) for kind, name, _ in found] != [("table", "digests")]:
        names = ", ".join(sorted(f"{kind} {name!r}" for kind, name, _ in found)) or "nothing"
        raise ForeignTableError(f"{path} is a data base of something else ({names[:200]}). Move it away.")
    if _words(found[0][2]) != _words(_TABLE):
        raise sqlite3.DatabaseError("a table of another version")


def _rows(table: sqlite3.Connection, where: str = "", values: tuple[str, ...] = ()) -> Iterator[Entry]:
    """Rows whose checksum is right.

    Raises:
        sqlite3.Error: The file is damaged.
    """
    columns = "path, size, mtime_ns, ctime_ns, inode, sha256, crc32"
    (num_pages,) = table.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = table.execute("PRAGMA page_size").fetchone()
    most = num_pages * page_bytes // _MIN_ROW_BYTES
    for number, row in enumerate(table.execute(f"SELECT {columns} FROM digests {where}", values)):  # noqa: S608 constants
        if number > most:
            raise sqlite3.DatabaseError("more rows than the file can hold")
        path, *numbers, digest, crc32 = row
        stamp = (numbers[0], numbers[1], numbers[2], numbers[3])
        if isinstance(path, str) and isinstance(digest, bytes) and crc32 == _crc32(path, stamp, digest):
            yield path, stamp, digest


def _words(text: object) -> str:
    """A statement without differences in spaces, letter case and `IF NOT EXISTS`, which SQLite does not keep."""
    return re.sub(r"\s+", " ", str(text)).strip().lower()


def _crc32(path: str, stamp: Stamp, digest: bytes) -> int:
    return zlib.crc32(f"{path} {stamp} ".encode(errors="replace") + digest)


def _reason(error: OSError, path: Path) -> str:
    return str(error) if isinstance(error, ForeignTableError) else f"{path} is not used: {error.strerror or error}."
