"""Files and folders that are complete or absent."""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import files
from pipeline.files import name_beside, put, read_regular, remove, remove_debris, replacing, write_bytes, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def ended():
    """Number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_json_is_complete_or_absent(tmp_path):
    """A value without a JSON form leaves the old file as it was, and no other file."""
    write_json(tmp_path / "a.json", {"ä": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", {"b": {1, 2}})

    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"ä": 1}
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("sync", [False, True])
def test_readers_see_the_old_file_until_the_new_one_is_complete(sync, tmp_path):
    """The new content appears when the body ends; missing folders are made."""
    path = tmp_path / "new" / "a.txt"
    with replacing(path, sync=sync) as beside:
        beside.write_text("first")
    with replacing(path, sync=sync) as beside:
        beside.write_text("second, half")
        assert path.read_text() == "first"
        assert beside.name.startswith(".")
        assert beside.suffix == ".txt"

    assert path.read_text() == "second, half"
    assert names(path.parent) == ["a.txt"]


def test_an_error_leaves_the_old_file_alone(tmp_path):
    """The body raises: the old content stays, and no other file is left."""
    (tmp_path / "a.txt").write_text("old")

    def fail():
        with replacing(tmp_path / "a.txt") as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_every_hidden_name_is_new(tmp_path):
    """Two threads, or one that writes a file inside a file, never share a name; the ending stays."""
    found = {name_beside(tmp_path / "a.txt").name for _ in range(20)}

    assert len(found) == 20
    assert all(name.startswith(f".{socket.gethostname()}-{os.getpid()}-") for name in found)
    assert all(name.endswith("-a.txt") for name in found)


def test_debris_of_the_same_name_is_removed(ended, tmp_path):
    """Files and folders of ended processes of this host; not those of running ones, other hosts or other final names."""
    host = socket.gethostname()
    gone = [f".{host}-{ended}-7-a.txt", f".{host}-{ended}-01ab-a.txt"]
    kept = [
        f".{host}-{os.getpid()}-7-a.txt",
        f".{host}x-{ended}-7-a.txt",
        f".{host}-{ended}-7-b.txt",
        f".{host}-word-7-a.txt",
        "a.txt",
    ]
    for name in (gone[0], *kept):
        (tmp_path / name).write_text("")
    (tmp_path / gone[1]).mkdir()
    (tmp_path / gone[1] / "inner").write_text("")

    with replacing(tmp_path / "a.txt") as beside:
        beside.write_text("new")

    assert names(tmp_path) == sorted(kept)


def test_debris_of_a_folder_is_removed(ended, tmp_path):
    """Any final name, also in the form of 0.1.0; a link of such a name stays, and so does what it leads to."""
    host = socket.gethostname()
    for name in (f".{host}-{ended}-0123abcd.tmp", f".{host}-{ended}-0123abcd-x.h5.tmp", f".{host}-{ended}-7-a.txt"):
        (tmp_path / name).write_text("half")
    kept = [f".{host}-{os.getpid()}-0123abcd-x.h5.tmp", f".{host}-{ended}-0123abcd-link.tmp", "x.h5", "notes.tmp"]
    for name in (kept[0], *kept[2:]):
        (tmp_path / name).write_text("whole")
    (tmp_path / kept[1]).symlink_to(tmp_path / "x.h5")
    remove_debris(tmp_path)
    remove_debris(tmp_path / "no such folder")

    assert names(tmp_path) == sorted(kept)
    assert (tmp_path / kept[1]).read_text() == "whole"


def test_bytes_are_on_the_disk_before_their_name(tmp_path, monkeypatch):
    """First the file is synced, then it is renamed, then its folder is synced; its hidden name does not end like the final one."""
    calls = []

    def record(name, call):
        def recorded(*arguments):
            calls.append(name)
            if name == "replace":
                assert Path(arguments[0]).name.endswith(".h5.tmp")
            return call(*arguments)

        return recorded

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, record(name, getattr(os, name)))
    write_bytes(tmp_path / "x.h5", b"rows")

    assert calls == ["fsync", "replace", "fsync"]
    assert (tmp_path / "x.h5").read_bytes() == b"rows"
    assert names(tmp_path) == ["x.h5"]


def test_a_name_with_signs_of_a_pattern_is_a_name(tmp_path):
    """Brackets and stars in a file's name match no other file."""
    other = tmp_path / f".{socket.gethostname()}-999999999-1-ab.txt"
    other.write_text("")
    write_json(tmp_path / "[a]*.txt", [1])

    assert other.exists()


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_replaces_a_folder(can_exchange, tmp_path, monkeypatch):
    """Nothing is left of the old one, whether or not names can be exchanged; a file never replaces a folder."""
    if not can_exchange:
        monkeypatch.setattr(files, "exchange", lambda *_: False)
    path = tmp_path / "folder"
    for content in ("first", "second"):
        with replacing(path) as beside:
            beside.mkdir()
            (beside / content).write_text(content)
            assert path.exists() == (content == "second")
    with pytest.raises(IsADirectoryError), replacing(path) as beside:
        beside.write_text("a file")

    assert names(tmp_path) == ["folder"]
    assert names(path) == ["second"]


HOLDING = """
import sys
from pathlib import Path
from pipeline import files
folder = Path(sys.argv[1])
(files.name_beside(folder / "run")).mkdir()
files._new_locked(folder / "x.h5", files._LOCKED, ".tmp")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no locks of this kind")
def test_what_a_process_is_writing_is_told_by_its_lock(tmp_path, monkeypatch):
    """In two containers process numbers say nothing: what is written stays while its process lives, and is removed after that."""
    command = [sys.executable, "-c", HOLDING, tmp_path]
    environment = os.environ | {"PYTHONPATH": str(Path(files.__file__).parents[1])}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdout.readline() == b"ready\n"
        before = names(tmp_path)
        monkeypatch.setattr(files, "is_alive", lambda process: False)
        remove_debris(tmp_path)
        during = names(tmp_path)
        child.send_signal(signal.SIGKILL)
        child.wait()
    monkeypatch.setattr(files, "is_alive", lambda process: True)
    remove_debris(tmp_path)

    assert len(before) == 3
    assert during == before
    assert names(tmp_path) == []


def _in_processes(count, work):
    """Whether all of so many forked processes do some work without an error."""
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.alarm(60)
                work(number)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    return [os.waitpid(child, 0)[1] for child in children] == [0] * count


def test_writers_with_equal_process_numbers_do_not_disturb_each_other(tmp_path, monkeypatch):
    """Three processes write and collect debris in one folder; none finds the numbers of the others alive."""
    monkeypatch.setattr(files, "is_alive", lambda process: False)

    def work(number):
        for step in range(40):
            write_bytes(tmp_path / f"{number}-{step}.h5", bytes(1000))
            write_json(tmp_path / "shared.json", [number])
            remove_debris(tmp_path)

    assert _in_processes(3, work)
    assert len(list(tmp_path.glob("[!.]*.h5"))) == 120
    assert [name for name in names(tmp_path) if name.startswith(".")] == []


@pytest.mark.parametrize("can_exchange", [True, False])
def test_folders_that_replace_each_other_at_the_same_time(can_exchange, tmp_path, monkeypatch):
    """One complete folder is left, and nothing hidden."""
    if not can_exchange:
        monkeypatch.setattr(files, "exchange", lambda *_: False)

    def work(number):
        for step in range(15):
            made = name_beside(tmp_path / "run")
            made.mkdir()
            (made / "a").write_text(f"{number} {step}")
            (made / "b").write_text(f"{number} {step}")
            put(made, tmp_path / "run")

    assert _in_processes(4, work)
    assert names(tmp_path) == ["run"]
    assert (tmp_path / "run/a").read_text() == (tmp_path / "run/b").read_text()


def test_folder_that_cannot_be_removed_is_replaced_all_the_same(tmp_path, monkeypatch):
    """The new folder keeps the name; what is left of the old one is hidden, and removed later."""
    path = tmp_path / "run"
    path.mkdir()
    (path / "old").touch()
    with monkeypatch.context() as patch, replacing(path) as beside:
        beside.mkdir()
        (beside / "new").touch()
        patch.setattr(files.shutil, "rmtree", lambda *_, **__: None)
    assert names(path) == ["new"]
    monkeypatch.setattr(files, "is_alive", lambda process: False)  # as after the end of this process
    remove_debris(tmp_path)

    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize("write", [lambda path: write_bytes(path, b"x"), lambda path: write_json(path, [1], sync=True)])
def test_error_of_the_disk_names_the_file(write, tmp_path, monkeypatch):
    """The system names none when a disk is full."""

    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(tmp_path / "a.json")

    assert caught.value.filename == str(tmp_path / "a.json")
    assert names(tmp_path) == []


def test_longest_name_that_a_file_system_takes(tmp_path):
    """The hidden name is not longer, and debris of the same long name is found."""
    path = tmp_path / ("ä" * 120 + ".json")
    write_json(path, [1])
    write_bytes(path, b"[2]")
    left = name_beside(path)
    left.write_text("half")

    assert names(tmp_path)[-1] == path.name
    assert len(os.fsencode(left.name)) < 255
    remove(left)
    assert names(tmp_path) == [path.name]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_only_regular_files_of_bounded_size_are_read(tmp_path):
    """A pipe, a folder, a link and an endless file are errors that name the path, at once."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"12345")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "endless").touch()
    os.truncate(tmp_path / "endless", 2**43)

    assert read_regular(tmp_path / "file", 5) == b"12345"
    for name, message in (
        ("pipe", "Not a regular file"),
        ("folder", "Not a regular file"),
        ("link", "Not a regular file"),
        ("endless", "Larger than 5 bytes"),
        ("nothing", "No such file"),
    ):
        with pytest.raises(OSError, match=f"{message}.*{name}"):
            read_regular(tmp_path / name, 5)
