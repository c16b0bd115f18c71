"""Images that come from front to back, read in any order."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.images.sources.archives.spool import Spool


def test_contents_are_gone_through_once_and_read_in_any_order(tmp_path):
    """However they come, each position has its own bytes, empty ones too, for many threads at a time."""
    passes = []

    def contents():
        passes.append(1)
        for position in (3, 0, 2, 1):
            yield position, bytes([position]) * position

    spool = Spool(contents, tmp_path / "home")
    assert passes == []
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(spool.read, [0, 1, 2, 3] * 50))

    assert read == [b"", b"\1", b"\2\2", b"\3\3\3"] * 50
    assert passes == [1]
    assert list((tmp_path / "home").iterdir()) == []


def test_what_has_no_bytes_is_an_error(tmp_path):
    """A position that does not come, and a data set without any."""
    spool = Spool(lambda: iter([(1, b"one")]), tmp_path)

    assert spool.read(1) == b"one"
    for missing in (spool, Spool(lambda: iter([]), tmp_path)):
        with pytest.raises(OSError, match="no bytes in the data set"):
            missing.read(0)


def test_what_came_before_an_error_can_be_read(tmp_path):
    """The others have the error, and it is not gone through again."""
    passes = []

    def contents():
        passes.append(1)
        yield 0, b"zero"
        raise OSError("damaged")

    spool = Spool(contents, tmp_path)
    for _ in range(3):
        assert spool.read(0) == b"zero"
        with pytest.raises(OSError, match="damaged"):
            spool.read(1)
    assert passes == [1]
