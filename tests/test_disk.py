"""What is asked of the disk: names exchanged in one step."""

import os

import pytest

from pipeline import disk
from pipeline.disk import exchange, write_all


@pytest.fixture
def two(tmp_path):
    """A folder and a file, with different content."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").write_text("inner")
    (tmp_path / "file").write_text("file")
    return tmp_path


def test_names_are_exchanged(two):
    """Whatever they belong to; nothing else has changed."""
    if not exchange(two / "folder", two / "file"):
        pytest.skip("this system cannot exchange names")

    assert (two / "folder").read_text() == "file"
    assert (two / "file" / "inner").read_text() == "inner"


def test_name_that_does_not_exist_is_an_error(two):
    """It has both names, and nothing was changed."""
    with pytest.raises(FileNotFoundError, match="No such file") as caught:
        exchange(two / "folder", two / "nothing")

    assert (caught.value.filename, caught.value.filename2) == (str(two / "folder"), str(two / "nothing"))
    assert (two / "folder" / "inner").read_text() == "inner"


@pytest.mark.parametrize("function", [None, lambda *_: disk.ctypes.set_errno(disk.errno.EINVAL) or -1])
def test_system_without_exchange_says_so(function, two, monkeypatch):
    """The C library has no such function, or the file system does not know it; nothing was changed."""
    monkeypatch.setattr(disk, "_rename_function", lambda: function)

    assert not exchange(two / "folder", two / "file")
    assert (two / "file").read_text() == "file"


def test_all_bytes_are_written(tmp_path, monkeypatch):
    """Also where the system takes three at a time."""
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    descriptor = os.open(tmp_path / "file", os.O_WRONLY | os.O_CREAT)
    write_all(descriptor, b"0123456789")
    os.close(descriptor)

    assert (tmp_path / "file").read_bytes() == b"0123456789"
