"""Digests of files, and the cache of digests, which may never change a result."""

import hashlib
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.images.files.hashing import RACY_NS, FileHashes, file_stamp, sha256_file

MARK = b"a digest that only the file of hashes knows"[:32]


@pytest.fixture
def hashes(tmp_path) -> FileHashes:
    """Digests are remembered at once: by its clock all files are older than the racy rule demands."""
    return FileHashes(tmp_path / "cache" / "file_hashes.sqlite", clock_ns=later)


@pytest.fixture
def file(tmp_path):
    """A file that is hashed."""
    path = tmp_path / "photos" / "a.jpg"
    path.parent.mkdir()
    path.write_bytes(b"old bytes")
    return path


def later() -> int:
    """A time at which all files of a test are old."""
    return time.time_ns() + 10 * RACY_NS


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _rows(hashes: FileHashes) -> list:
    with closing(sqlite3.connect(hashes.path)) as connection:
        return connection.execute("SELECT path, sha256 FROM digests").fetchall()


def _mark(hashes: FileHashes, file: Path) -> None:
    """Remember another digest, so that it differs from the computed one."""
    assert str(file) in dict(_rows(hashes))
    hashes._remember([(str(file), file_stamp(file), MARK)], later())


def test_digest_is_sha256_of_the_bytes(tmp_path):
    """The digest is the published one of FIPS 180-2."""
    (tmp_path / "abc").write_bytes(b"abc")
    expected = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")

    assert sha256_file(tmp_path / "abc") == expected
    assert FileHashes().digests([tmp_path / "abc"]) == [expected]


def test_order_of_the_files_is_kept(tmp_path, hashes):
    """Digests come in the order of the files, remembered or not."""
    files = [tmp_path / f"{number}.jpg" for number in range(40)]
    for file in files:
        file.write_bytes(file.name.encode())
    hashes.digests(files[::3])

    assert hashes.digests(files) == [_sha256(file.name.encode()) for file in files]


def test_an_unreadable_file_has_an_error_instead_of_a_digest(tmp_path, file, hashes):
    """A missing file and a folder do not stop the others."""
    missing, digest, folder = hashes.digests([tmp_path / "no.jpg", file, tmp_path])

    assert isinstance(missing, FileNotFoundError)
    assert digest == _sha256(b"old bytes")
    assert isinstance(folder, IsADirectoryError)


def test_file_of_terabytes_is_not_read(tmp_path):
    """It takes no room on the disk, and reading it would take hours: an image is never so large. Weights may be."""
    path = tmp_path / "endless.png"
    path.touch()
    os.truncate(path, 2**43)
    [error] = FileHashes().digests([path])

    assert isinstance(error, OSError)
    assert error.strerror == "8,796,093,022,208 bytes; the limit is 536,870,912"


def test_unchanged_file_is_not_read_again(file, hashes):
    """The remembered digest is taken as long as the file's stamp is the same."""
    first = hashes.digests([file])
    _mark(hashes, file)

    assert first == [_sha256(b"old bytes")]
    assert hashes.digests([file]) == [MARK]
    assert FileHashes().digests([file]) == first


def test_relative_and_absolute_paths_are_one_file(file, hashes, monkeypatch):
    """A file is recognised by its absolute path, and both ways of writing it may be mixed."""
    monkeypatch.chdir(file.parent)
    hashes.digests([file])
    _mark(hashes, file)

    assert hashes.digests([file.relative_to(file.parent), file]) == [MARK, MARK]


def test_changed_file_is_read_again(file, hashes):
    """New contents give a new digest, and the new one is remembered."""
    hashes.digests([file])
    file.write_bytes(b"other bytes")

    assert hashes.digests([file]) == [_sha256(b"other bytes")]
    assert _rows(hashes) == [(str(file), _sha256(b"other bytes"))]


def test_edit_that_puts_size_and_time_back_is_seen(file, hashes):
    """An edit in place with the same size and modification time is detected by the change time."""
    stat = file.stat()
    hashes.digests([file])
    while file.stat().st_ctime_ns == stat.st_ctime_ns:  # time stamps advance in steps of some milliseconds
        with file.open("r+b") as handle:
            handle.write(b"NEW")
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert file.stat().st_mtime_ns == stat.st_mtime_ns
    assert hashes.digests([file]) == [_sha256(b"NEW bytes")]


def test_replaced_file_of_the_same_size_and_time_is_seen(file, hashes):
    """Another file moved to the same name is another file."""
    stat = file.stat()
    hashes.digests([file])
    beside = file.with_name("beside")
    beside.write_bytes(b"NEW bytes")
    os.utime(beside, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    beside.replace(file)

    assert hashes.digests([file]) == [_sha256(b"NEW bytes")]


def test_stamp_of_a_missing_file_is_none(tmp_path):
    """What is not there has no stamp that something could be equal to."""
    assert file_stamp(tmp_path / "no.jpg") is None


@pytest.mark.parametrize("damage", [b"no data base at all, but text", b"SQLite format 3\0 and then nonsense" * 40])
def test_damaged_file_of_hashes_is_made_anew(file, hashes, damage):
    """Damage costs the hashing again and nothing else."""
    hashes.path.parent.mkdir()
    hashes.path.write_bytes(damage)
    first = hashes.digests([file])
    hashes.digests([file])
    _mark(hashes, file)

    assert first == [_sha256(b"old bytes")]
    assert hashes.digests([file]) == [MARK]


@pytest.mark.parametrize("kept", [0, 1, 0.5, -1])
def test_cut_file_of_hashes_does_not_stop_the_scan(file, hashes, kept):
    """A file of hashes that is cut short anywhere gives right digests all the same."""
    hashes.digests([file])
    size = hashes.path.stat().st_size
    os.truncate(hashes.path, size + kept if kept < 0 else int(size * kept) if isinstance(kept, float) else kept)

    assert hashes.digests([file]) == [_sha256(b"old bytes")]


@pytest.mark.parametrize("digest", [None, "text", 17, b"too short", MARK])
def test_an_altered_digest_is_not_used(file, hashes, digest):
    """A row with a wrong checksum is computed again and replaced."""
    hashes.digests([file])
    with closing(sqlite3.connect(hashes.path)) as connection, connection:
        connection.execute("UPDATE digests SET sha256 = ?", [digest])

    assert hashes.digests([file]) == [_sha256(b"old bytes")]
    assert _rows(hashes) == [(str(file), _sha256(b"old bytes"))]


@pytest.mark.parametrize("place", ["a folder", "below a file"])
def test_digests_that_cannot_be_remembered_do_not_stop_the_scan(tmp_path, file, place):
    """If the file of digests cannot be written, the digests are computed each time."""
    hashes = FileHashes(tmp_path if place == "a folder" else file / "file_hashes.sqlite", clock_ns=later)

    assert hashes.digests([file]) == [_sha256(b"old bytes")]
    assert file.read_bytes() == b"old bytes"


def test_file_of_yesterday_is_remembered_and_a_new_one_is_not(file, tmp_path):
    """A file that was written less than two seconds before may change without a new time stamp (git's racy rule)."""
    hashes = FileHashes(tmp_path / "file_hashes.sqlite")
    hashes.digests([file, Path(os.__file__)])

    assert [path for path, _ in _rows(hashes)] == [os.__file__]


def test_racy_rule_counts_from_the_stat(file, tmp_path):
    """Hashing may take long: a file that was new before it is not old after it."""
    times = iter([time.time_ns(), later()])
    hashes = FileHashes(tmp_path / "file_hashes.sqlite", clock_ns=lambda: next(times))

    assert hashes.digests([file]) == [_sha256(b"old bytes")]
    assert not hashes.path.exists() or str(file) not in dict(_rows(hashes))
    assert hashes.digests([file]) == [_sha256(b"old bytes")]
    assert str(file) in dict(_rows(hashes))


def test_name_that_is_not_unicode_is_hashed(file, hashes):
    """SQLite cannot store such a name as it is."""
    odd = os.fsencode(file.parent) + b"/\xff\xfe.jpg"
    with open(odd, "wb") as handle:  # noqa: PTH123
        handle.write(b"odd")
    files = [Path(os.fsdecode(odd)), file]
    first = hashes.digests(files)

    assert first == [_sha256(b"odd"), _sha256(b"old bytes")]
    assert hashes.digests(files) == first


def test_nothing_is_remembered_without_a_path(file, tmp_path):
    """Without a path there is no file of hashes."""
    before = sorted(tmp_path.rglob("*"))
    FileHashes().digests([file])

    assert sorted(tmp_path.rglob("*")) == before
