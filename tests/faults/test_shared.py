"""Pushes and pulls that are killed: nothing half-written has a name, and the next one goes on."""

import hashlib
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.cache.store import Store
from tests.cache.samples import RECIPE, fill, make_keys, make_rows
from tests.faults.conftest import start

NUM_SHARDS = 60


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of many small shards. Read only."""
    cache = tmp_path_factory.mktemp("own") / "cache"
    fill(Store(cache, RECIPE), *([number] for number in range(NUM_SHARDS)))
    return cache


def kill_after(count: int, folder: Path, *words: object) -> bool:
    """Kill a command when so many shards are in a folder; False if it was faster."""
    with start(*words, "-q", module="pipeline") as child:
        deadline = time.monotonic() + 60
        while len(list(folder.glob("*/shards/[!.]*.h5"))) < count and child.poll() is None:
            assert time.monotonic() < deadline
        was_running = child.poll() is None
        child.kill()
    return was_running


def assert_whole(folder: Path) -> None:
    """Each file that has a shard's name has its bytes."""
    for path in folder.glob("*/shards/[!.]*.h5"):
        assert hashlib.sha256(path.read_bytes()).hexdigest()[:32] == path.stem


def assert_complete(folder: Path) -> None:
    """All rows are there, each once, and nothing is left over."""
    store = Store(folder, RECIPE)
    np.testing.assert_array_equal(store.read(make_keys(range(NUM_SHARDS))), make_rows(range(NUM_SHARDS)))
    assert len(store.shard_paths()) == NUM_SHARDS
    assert list(folder.glob("*/shards/.*")) == []
    assert list(folder.glob(".*")) == []


def test_killed_pushes(own: Path, tmp_path: Path):
    """After a few shards, three times; the fourth push completes it."""
    team = tmp_path / "team"
    killed = [kill_after(count, team, "cache", "push", team, "--cache", own) for count in (1, 9, 23)]

    assert any(killed)
    assert_whole(team)
    for path in team.glob("*/shards/[!.]*.h5"):
        assert (path.parents[1] / "keys" / f"{path.stem}.keys").exists()
    with start("cache", "push", team, "--cache", own, "-q", module="pipeline") as child:
        assert child.wait(60) == 0
    assert_complete(team)


def test_killed_pulls(own: Path, tmp_path: Path):
    """The same in the other direction; the hidden folder of what was fetched goes, too."""
    mine = tmp_path / "mine"
    killed = [kill_after(count, mine, "cache", "pull", own, "--cache", mine) for count in (1, 9, 23)]

    assert any(killed)
    assert_whole(mine)
    with start("cache", "pull", own, "--cache", mine, "-q", module="pipeline") as child:
        assert child.wait(60) == 0
    assert_complete(mine)
