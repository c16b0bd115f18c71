"""A file that HDF5 writes through Python: the same bytes as without, and a full disk is an error after the last of them."""

import errno
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.cache.sink import Sink, writing

ROWS = np.random.default_rng(0).normal(size=(400, 50)).astype(np.float32)


def write(file: h5py.File) -> None:
    """Rows in compressed chunks, texts and an attribute."""
    file.create_dataset("rows", data=ROWS, chunks=(8, 50), compression="gzip")
    file.create_dataset("names", data=[f"name {number}" for number in range(400)], dtype=h5py.string_dtype())
    file.attrs["classes"] = ["a", "b"]


def test_file_is_what_hdf5_wrote(tmp_path: Path):
    """It opens without the sink."""
    with writing(tmp_path / "a.h5") as sink, h5py.File(sink, "w") as file:
        write(file)

    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["rows"][()], ROWS)
        assert file["names"].asstr()[399] == "name 399"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is one of Linux")
def test_full_disk_is_an_error_and_no_crash():
    """HDF5 reads back what it wrote, closes the file, and the error comes after that."""

    def fill() -> None:
        with writing(Path("/dev/full")) as sink, h5py.File(sink, "w") as file:
            write(file)
            file.flush()
            np.testing.assert_array_equal(file["rows"][()], ROWS)

    with pytest.raises(OSError, match="No space left on device"):
        fill()


@pytest.mark.parametrize("most", [0, 600, 2_000, 30_000])
def test_disk_that_is_full_after_some_bytes(most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Wherever it happens; an error in the body does not hide it."""
    real = Sink.check

    def check(sink: Sink) -> None:
        if sink.tell() > most and sink.failure is None and sys._getframe(1).f_code.co_name == "write":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(sink)

    monkeypatch.setattr(Sink, "check", check)

    def fill() -> None:
        with writing(tmp_path / "a.h5") as sink, h5py.File(sink, "w") as file:
            write(file)
            raise KeyError

    with pytest.raises(OSError, match="No space left on device"):
        fill()
