"""Any tree of bytes as a cache: every command ends in time and in order, and touches nothing that is not the cache's.

A third of FAULTS_EXAMPLES says how many of each are tried (`make faults`: 3,333).
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.cache.store import Store
from pipeline.files import remove
from pipeline.images.files.hashing import FileHashes
from tests.cache.samples import HALF, RECIPE, fill
from tests.faults.endings import COMMANDS, ROWS, THINGS, assert_in_order, end, good_shards, look
from tests.faults.trees import write_tree

EXAMPLES = int(os.environ.get("FAULTS_EXAMPLES", "60"))
often = settings(max_examples=EXAMPLES // 3, deadline=None, suppress_health_check=list(HealthCheck))

STORE = RECIPE.folder_name
PLACES = (
    f"{STORE}/recipe.json",
    f"{STORE}/shards",
    f"{STORE}/shards/first",
    f"{STORE}/shards/{'0' * 32}.h5",
    f"{STORE}/shards/.{os.uname().nodename}-999999999-f0123456789ab-x.h5.tmp",
    f"{STORE}/quarantine",
    f"{STORE}/quarantine/{'0' * 32}.h5",
    f"{STORE}/.lock",
    STORE,
    "file_hashes.sqlite",
    "file_hashes.sqlite-journal",
    "file_hashes.sqlite-wal",
    "statistics",
    "notes/quarantine",
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of two stores and remembered hashes, beside a folder of the user's. Read only."""
    folder = tmp_path_factory.mktemp("original")
    outside = folder / "outside"
    outside.mkdir()
    (outside / "thesis.h5").write_bytes(b"years of work")
    other = sqlite3.connect(outside / "other.sqlite")
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.close()
    fill(Store(folder / "cache", RECIPE), ROWS[:6], ROWS[6:])
    fill(Store(folder / "cache", HALF), range(3))
    hashes = FileHashes(folder / "cache/file_hashes.sqlite", clock_ns=lambda: 10**20)
    hashes.digests(sorted(outside.iterdir()))
    return folder


@contextmanager
def copy(original: Path) -> Iterator[Path]:
    """A copy of the cache and of the user's folder."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(original, Path(folder) / "copy")
        yield Path(folder) / "copy/cache"


def find(place: str, cache: Path) -> Path:
    """The path of a place; `first` is the first shard."""
    path = cache / place
    return min(path.parent.iterdir()) if path.name == "first" else path


def check_command(command: tuple[str, ...], cache: Path) -> None:
    """Run it; nothing outside of the cache changes, and no good shard is lost unless its store is to be deleted."""
    outside, before = look(cache.parent / "outside"), good_shards(cache)
    foreign = {path: data for path, data in look(cache).items() if Path(path).name == "thesis.txt"}
    ending = end(command, cache)

    assert_in_order(ending, cache)
    assert look(cache.parent / "outside") == outside
    assert foreign.items() <= look(cache).items()
    if command[:2] != ("prune", STORE) and command != ("compact",):
        assert before.items() <= good_shards(cache).items()


@often
@given(place=st.sampled_from(PLACES), thing=st.sampled_from(sorted(THINGS)), command=st.sampled_from(COMMANDS))
def test_whatever_lies_in_the_place_of_a_file(original: Path, place: str, thing: str, command: tuple[str, ...]):
    """Pipes, devices, links, folders, endless files and foreign data bases: nothing waits, and nothing of them is changed."""
    with copy(original) as cache:
        path = find(place, cache)
        remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        THINGS[thing](path, cache.parent / "outside")

        check_command(command, cache)


@often
@given(data=st.data(), command=st.sampled_from(COMMANDS))
def test_any_byte_may_be_another_one(original: Path, data: st.DataObject, command: tuple[str, ...]):
    """In any file of the cache; the rows of all other shards are there afterwards."""
    with copy(original) as cache:
        files = sorted(path for path in cache.rglob("*") if path.is_file() and path.stat().st_size)
        path = data.draw(st.sampled_from(files))
        content = bytearray(path.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(content)

        check_command(command, cache)
        check_command(("features",), cache)


_NAMES = st.sampled_from(
    (
        STORE,
        "recipe.json",
        "shards",
        "quarantine",
        ".lock",
        "file_hashes.sqlite",
        "x.h5",
        f"{'a' * 32}.h5",
        "a",
        "b-0123456789ab",
    )
)


@often
@given(
    entries=st.lists(
        st.tuples(st.lists(_NAMES, min_size=1, max_size=3), st.none() | st.binary(max_size=80)), max_size=8
    ),
    command=st.sampled_from(COMMANDS),
)
def test_any_tree_of_bytes(entries: list[tuple[list[str], bytes | None]], command: tuple[str, ...]):
    """Files with any content and folders, under the names that a cache uses."""
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder) / "cache"
        cache.mkdir()
        (cache.parent / "outside").mkdir()
        write_tree(cache, entries)
        ending = end(command, cache)

        assert_in_order(ending, cache)
