"""The cache's own files: links are refused, and what the machine refuses is no damage and no absence."""

import errno
import io
import os
import resource
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from pipeline.cache import own
from pipeline.cache.own import OwnFile, check_no_links, check_tree, is_gone, list_folder, reading
from pipeline.cache.shard import check_bytes, read_features, read_provenance, read_rows
from pipeline.cache.store import Store
from pipeline.errors import DamagedStoreError, ForeignEntryError, UnreadableStoreError
from tests.cache.samples import RECIPE, fill, make_keys

ROOT = Path(__file__).resolve().parents[2]

READERS = {
    "bytes": check_bytes,
    "rows": lambda path: read_rows(path, RECIPE),
    "features": lambda path: read_features(path, RECIPE),
    "provenance": read_provenance,
}
REFUSALS = ("EACCES", "EMFILE", "ENFILE", "EIO", "ENOMEM", "ESTALE", "ETIMEDOUT", "EINTR")


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A committed shard."""
    return fill(Store(tmp_path / "cache", RECIPE), range(12))[0]


def test_link_is_refused_wherever_it_leads(tmp_path):
    """To a file, to a folder, to nothing; what is not there, or is itself, is fine."""
    (tmp_path / "file").touch()
    check_no_links(tmp_path, tmp_path / "file", tmp_path / "nothing")
    for place, target in enumerate(("file", ".", "nowhere")):
        link = tmp_path / f"link{place}"
        link.symlink_to(target)

        with pytest.raises(ForeignEntryError, match=rf"{link} is a symbolic link.* Remove the link"):
            check_no_links(link)


def test_link_deep_in_a_folder_is_found(tmp_path):
    """A folder that is to be deleted has no links, however deep."""
    (tmp_path / "a/b").mkdir(parents=True)
    check_tree(tmp_path / "a")
    (tmp_path / "a/b/link").symlink_to(tmp_path)

    with pytest.raises(ForeignEntryError, match="a/b/link"):
        check_tree(tmp_path / "a")


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("reader", READERS)
def test_file_that_is_not_opened_is_not_damaged(shard, monkeypatch, name, reader):
    """The error names the file and the cause."""
    code = getattr(errno, name)

    def refuse(path, flags):
        raise OSError(code, os.strerror(code), path)

    monkeypatch.setattr(own.os, "open", refuse)

    with pytest.raises(UnreadableStoreError, match=rf"{shard.name} cannot be read: {os.strerror(code)}\."):
        READERS[reader](shard)


@pytest.mark.parametrize("position", [0, 8, 100, 600])
@pytest.mark.parametrize("reader", READERS)
def test_read_that_fails_is_not_damage(shard, monkeypatch, position, reader):
    """Wherever the disk fails, and whatever HDF5 makes of it, it is told from bytes that do not fit."""

    def fail(file, *arguments):
        if file.tell() >= position:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(file, *arguments)

    real = io.FileIO.readinto
    disk = type("Disk", (io.FileIO,), {"readinto": fail, "readall": fail})
    monkeypatch.setattr(own, "OwnFile", type("OwnFile", (OwnFile, disk), {"readall": fail}))

    with pytest.raises(UnreadableStoreError, match=rf"{shard.name} cannot be read: Input/output error\."):
        READERS[reader](shard)


@pytest.mark.parametrize("reader", READERS)
def test_memory_that_runs_out_is_not_damage(shard, monkeypatch, reader):
    """A machine without memory says nothing of the bytes."""

    def run_out(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(OwnFile, "readinto", run_out)

    with pytest.raises(UnreadableStoreError, match=rf"{shard.name} cannot be read: memory ran out\."):
        READERS[reader](shard)


def test_content_that_raises_is_damage(shard):
    """What a parser makes of bytes that were read is damage, whatever it raises; a stop is passed on."""
    for error in (KeyError("x"), RuntimeError("x"), RecursionError("x"), ValueError("x"), OSError("x"), TypeError("x")):
        with pytest.raises(DamagedStoreError, match=f"{shard.name} cannot be read: "), reading(shard):
            raise error
    with pytest.raises(KeyboardInterrupt), reading(shard):
        raise KeyboardInterrupt


def test_handler_of_machine_errors_does_not_take_damage():
    """An `except OSError` is for the machine, so damage is none."""
    assert not issubclass(DamagedStoreError, OSError)
    assert issubclass(UnreadableStoreError, OSError)


def test_hdf5_reads_through_python(shard):
    """A reader that gives a few bytes at a time gives the same file, and beyond its end it gives less."""
    with OwnFile(shard) as whole, h5py.File(whole) as file:
        assert len(file["view"]) == 12
    with OwnFile(shard) as file:
        file.seek(-5, os.SEEK_END)
        assert file.readinto(bytearray(9)) == 5


def test_refused_answer_is_no_absence(tmp_path, monkeypatch):
    """Only a plain no counts as gone."""
    assert is_gone(tmp_path / "nothing")
    assert not is_gone(tmp_path)

    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "lstat", refuse)
    assert not is_gone(tmp_path / "nothing")


def test_folder_that_cannot_be_read_is_not_empty(tmp_path, monkeypatch):
    """Its rows would be computed again."""
    for name in ("b.h5", "a.h5", "c.txt"):
        (tmp_path / name).touch()

    assert [path.name for path in list_folder(tmp_path, ".h5")] == ["a.h5", "b.h5"]
    assert list_folder(tmp_path / "nothing") == []

    def refuse(path: Path) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)

    monkeypatch.setattr(own.os, "scandir", refuse)
    with pytest.raises(UnreadableStoreError, match=f"{tmp_path} cannot be read: Too many open files"):
        list_folder(tmp_path)


STARVED = """
import os, resource, sys
from pathlib import Path
from pipeline.cache.store import Store
from pipeline.errors import UnreadableStoreError
from tests.cache.samples import RECIPE, make_keys

store = Store(Path(sys.argv[1]), RECIPE)
opened = Store(Path(sys.argv[1]), RECIPE)
opened.read(make_keys([0]))
opened._checked.clear()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
held = []
try:
    while True:
        held.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    os.close(held.pop()) if sys.argv[2] == "one" else None
for look in (lambda: len(store), lambda: opened.read(make_keys(range(12))), opened.refresh):
    try:
        look()
        print("served")
    except UnreadableStoreError as error:
        print("Too many open files" in str(error))
"""


@pytest.mark.parametrize(("left", "expected"), [("none", ["True"] * 3), ("one", ["served"] * 3)])
def test_store_without_a_file_to_open_keeps_its_shards(tmp_path, left, expected):
    """A process at its limit of open files gets an error and moves nothing; with one file left it reads everything."""
    store = Store(tmp_path, RECIPE)
    fill(store, range(6), range(6, 12))
    before = sorted(path for path in tmp_path.rglob("*"))
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 64
    command = [sys.executable, "-c", STARVED, str(tmp_path), left]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)

    assert done.stdout.split() == expected, done.stderr
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert Store(tmp_path, RECIPE).has(make_keys(range(12))).all()
