"""Files that are there whole or not at all."""

import json
import os
import socket
import subprocess
import sys
import threading

import pytest

from pipeline.files import name_beside, replacing, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_json_is_written_whole_or_not_at_all(tmp_path):
    """A value that is no JSON leaves the older file as it was, and no other file."""
    write_json(tmp_path / "a.json", {"ä": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(tmp_path / "a.json", {"b": {1, 2}})

    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"ä": 1}
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("sync", [False, True])
def test_the_old_file_is_there_until_the_new_one_is_whole(sync, tmp_path):
    """While the body writes, a reader finds what was there before; folders are made."""
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
    """And nothing beside it."""
    (tmp_path / "a.txt").write_text("old")

    def fail():
        with replacing(tmp_path / "a.txt") as beside:
            beside.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()

    assert (tmp_path / "a.txt").read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_threads_have_names_of_their_own(tmp_path):
    """Two of them may write the same file at once."""
    found = [name_beside(tmp_path / "a.txt")]
    thread = threading.Thread(target=lambda: found.append(name_beside(tmp_path / "a.txt")))
    thread.start()
    thread.join()

    assert found[0] != found[1]


def test_what_a_killed_process_left_is_removed(tmp_path):
    """Files and folders of processes of this machine that are gone; not those of living ones, of other machines, of others."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    host = socket.gethostname()
    gone = [f".{host}-{child.pid}-7-a.txt", f".{host}-{child.pid}-8-a.txt"]
    kept = [
        f".{host}-{os.getpid()}-7-a.txt",
        f".{host}x-{child.pid}-7-a.txt",
        f".{host}-{child.pid}-7-b.txt",
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


def test_a_name_with_signs_of_a_pattern_is_a_name(tmp_path):
    """Brackets and stars in a file's name find no other file."""
    other = tmp_path / f".{socket.gethostname()}-999999999-1-ab.txt"
    other.write_text("")
    write_json(tmp_path / "[a]*.txt", [1])

    assert other.exists()


def test_a_folder_takes_its_name_whole(tmp_path):
    """In the place of an older one, with nothing left of that; a file never takes the place of a folder."""
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
