"""The file of remembered digests is read as bytes: whatever it is, nothing waits for it and nothing foreign is changed."""

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.images.files import hash_table
from pipeline.images.files.hash_table import forget, recall, remember
from tests.faults.endings import RECURSIVE_VIEW

STAMP = (1, 2, 3, 4)
ENTRIES = [("/photos/a.jpg", STAMP, bytes(32)), ("/photos/b.jpg", STAMP, bytes(range(32)))]
EXPECTED = {path: (stamp, digest) for path, stamp, digest in ENTRIES}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where digests are remembered."""
    return tmp_path / "cache" / "file_hashes.sqlite"


def make(path: Path, *statements: str) -> bytes:
    """A data base; its bytes."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return path.read_bytes()


def test_entries_come_back(path: Path):
    """Those below the folder that is asked for; later ones are added and replace older ones."""
    remember(path, ENTRIES[:1])
    remember(path, [*ENTRIES[1:], ("/other/c.jpg", STAMP, bytes(32))])

    assert recall(path, "/photos") == EXPECTED
    assert len(recall(path, "/")) == 3
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_table_of_the_first_version_is_read_and_extended(path: Path):
    """SQLite made its file then."""
    remember(path, ENTRIES[:1])
    with closing(sqlite3.connect(path)) as connection, connection:
        rows = connection.execute("SELECT * FROM digests").fetchall()
    path.unlink()
    table = """CREATE TABLE IF NOT EXISTS digests (
    path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode INTEGER, sha256 BLOB, crc32 INTEGER
) WITHOUT ROWID"""
    make(path, table)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO digests VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    remember(path, ENTRIES[1:])

    assert recall(path, "/photos") == EXPECTED


@pytest.mark.parametrize(
    "statements",
    [
        (RECURSIVE_VIEW,),
        ("CREATE TABLE bookmarks (url TEXT)",),
        ("CREATE TABLE digests (path TEXT)", "CREATE TABLE bookmarks (url TEXT)"),
        ("CREATE TABLE a (path TEXT)", RECURSIVE_VIEW),
    ],
)
def test_data_base_of_something_else_is_left_as_it_is(statements: tuple[str, ...], path: Path, caplog):
    """It is named once for each scan, and works as long as it likes."""
    before = make(path, *statements)
    start = time.monotonic()
    remember(path, ENTRIES)

    assert recall(path, "/photos") == {}
    assert time.monotonic() - start < 5
    assert path.read_bytes() == before
    assert f"{path} is a data base of something else" in caplog.text


@pytest.mark.parametrize(
    "content",
    ["CREATE TABLE digests (file TEXT, blake3 BLOB)", b"", b"years of work", b"SQLite format 3\0" + bytes(4096)],
)
def test_newer_or_damaged_file_is_made_anew(content: str | bytes, path: Path):
    """What it held is kept beside it."""
    path.parent.mkdir()
    before = content if isinstance(content, bytes) else make(path, content)
    path.write_bytes(before)
    remember(path, ENTRIES)

    assert recall(path, "/photos") == EXPECTED
    aside = path.with_name(f"{path.name}.damaged")
    assert (aside.read_bytes() if before else b"") == before


def test_locked_file_is_not_waited_for(path: Path):
    """Another program may hold its lock as long as it likes."""
    remember(path, ENTRIES[:1])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        start = time.monotonic()
        remember(path, ENTRIES[1:])

        assert recall(path, "/photos") == EXPECTED
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("name", ["file_hashes.sqlite-journal", "file_hashes.sqlite-wal"])
def test_journal_of_another_hand_is_not_followed(name: str, path: Path, tmp_path: Path):
    """SQLite would undo or do what it says, and delete the file that it names."""
    remember(path, ENTRIES)
    thesis = tmp_path / "thesis"
    thesis.write_text("years of work")
    words = os.fsencode(thesis)
    journal = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504) + words + len(words).to_bytes(4, "big") + bytes(12)
    path.with_name(name).write_bytes(journal)
    remember(path, ENTRIES)

    assert recall(path, "/photos") == EXPECTED
    assert thesis.read_text() == "years of work"
    assert path.with_name(name).read_bytes() == journal


@pytest.mark.parametrize("seed", range(30))
def test_changed_byte_costs_a_digest_or_all_but_never_changes_one(seed: int, path: Path):
    """Each row has a checksum."""
    remember(path, ENTRIES)
    data = bytearray(path.read_bytes())
    data[seed * 37 % 300 if seed % 2 else -1 - seed * 7] ^= 1 << seed % 8
    path.write_bytes(data)

    assert recall(path, "/photos").items() <= EXPECTED.items()


def test_steps_of_a_query_are_limited(path: Path):
    """A forged file can make SQLite go round for ever; Ctrl-C would not be seen meanwhile."""
    remember(path, ENTRIES)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with closing(hash_table._read(path)) as table, pytest.raises(sqlite3.OperationalError):
        table.execute(endless).fetchone()


def test_forgotten_digests_leave_no_bytes(path: Path):
    """The file is written anew: a deleted row would stay in a freed page. Other entries are what they were."""
    remember(path, [*ENTRIES, ("/copies/b.jpg", STAMP, bytes(range(32)))])
    before = path.read_bytes()
    found = forget(path, [bytes(range(32))], is_dry=True)
    assert path.read_bytes() == before
    done = forget(path, [bytes(range(32))], is_dry=False)

    assert found == done == ["/copies/b.jpg", "/photos/b.jpg"]
    assert recall(path, "/") == {ENTRIES[0][0]: ENTRIES[0][1:]}
    assert bytes(range(32)) not in path.read_bytes()
    assert b"b.jpg" not in path.read_bytes()
    assert forget(path, [bytes(range(32))], is_dry=False) == []


def test_damaged_files_with_forgotten_digests_are_removed(path: Path):
    """So is one that was kept under another name; a foreign data base, and damaged files without them, stay."""
    digest = bytes(range(32))
    path.parent.mkdir()
    aside = path.with_name(f"{path.name}.damaged")
    path.write_bytes(b"SQLite format 3\0 damaged" + digest)
    aside.write_bytes(b"older" + digest)
    other = forget(path, [bytes(32)], is_dry=False)
    assert (other, path.exists(), aside.exists()) == ([], True, True)
    done = forget(path, [digest], is_dry=False)

    assert done == [path.name, aside.name]
    assert list(path.parent.iterdir()) == []
    before = make(path, "CREATE TABLE bookmarks (url TEXT)")
    assert forget(path, [digest], is_dry=False) == []
    assert path.read_bytes() == before
