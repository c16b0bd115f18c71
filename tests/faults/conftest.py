"""What the tests on faults share: photographs, an undisturbed store, and processes to disturb."""

import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.cache.store import Store
from tests.conftest import COLOURS, draw_photo
from tests.faults.child import SMALL, Averages, run

PROJECT = Path(__file__).parents[2]
NUM_PHOTOS = 96


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 photographs in two classes. Read only."""
    root = tmp_path_factory.mktemp("many")
    for number in range(NUM_PHOTOS):
        label = ("red", "blue")[number % 2]
        draw_photo(root / label / f"{number:03d}.png", COLOURS[label], number, size=(20, 18))
    return root


@pytest.fixture(scope="session")
def undisturbed(many: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of a run that nothing happened to. Read only."""
    return run(many, tmp_path_factory.mktemp("undisturbed"), Averages()).store


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache folder."""
    return tmp_path / "cache"


def start(
    *words: object, module: str = "tests.faults.child", python: str = sys.executable, **settings: object
) -> "subprocess.Popen[str]":
    """A Python module in a process of its own; a context that closes its pipes and waits for it."""
    environment = os.environ | {"PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [python, "-m", module, *map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,  # type: ignore[call-overload]
    )


def wait_for_shards(cache: Path, count: int, child: "subprocess.Popen[str]") -> None:
    """Until so many are committed, or the process is through."""
    deadline = time.monotonic() + 60
    while len(list(cache.glob("*/shards/[!.]*.h5"))) < count and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def assert_same(cache: Path, undisturbed: Store) -> None:
    """The store has the rows of the undisturbed one, bit for bit, each of them once, and nothing unfinished is left."""
    store = Store(cache, SMALL)
    np.testing.assert_array_equal(store.keys(), undisturbed.keys())
    np.testing.assert_array_equal(store.read(store.keys()), undisturbed.read(store.keys()))
    assert num_stored(store) == len(store)
    assert [path.name for path in (store.folder / "shards").glob(".*")] == []


def assert_nothing_wrong(cache: Path, undisturbed: Store) -> int:
    """Each row that is there is the right one; how many there are."""
    store = Store(cache, SMALL)
    if len(store):
        np.testing.assert_array_equal(store.read(store.keys()), undisturbed.read(store.keys()))
    return len(store)


def num_stored(store: Store) -> int:
    """Rows in all shards, each as often as it was written."""
    count = 0
    for path in store.shard_paths():
        with h5py.File(path) as file:
            count += len(file["view"])
    return count
