"""Stage one on a cluster: bit for bit what one process makes, whatever happens to a worker."""

import os
import signal
import threading
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.cache.store import Store
from pipeline.cache.stores import list_stores
from pipeline.execution import members
from pipeline.settings import Settings
from tests.calls import extract
from tests.cluster.conftest import BLIND, Cluster, running
from tests.cluster.tasks import wait_until
from tests.conftest import draw_tree

NUM_IMAGES = 256


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of two classes, for eight tasks."""
    return draw_tree(tmp_path_factory.mktemp("many"), {"train": NUM_IMAGES // 2})


@pytest.fixture(scope="module")
def options() -> Settings:
    """SqueezeNet at 32 px; its weights' values do not matter here."""
    return Settings.of(base="squeezenet", size=32, weights="random", engine="tensorflow")


@pytest.fixture(scope="module")
def local(many: Path, options: Settings, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """What one process makes."""
    return extract(many, settings=with_places(options, tmp_path_factory.mktemp("local"))).store


def with_places(options: Settings, folder: Path, **changes: object) -> Settings:
    return options.with_changes(cache=folder / "cache", runs=folder / "runs", **changes)


def assert_same(store: Store, other: Store) -> None:
    np.testing.assert_array_equal(store.keys(), other.keys())
    np.testing.assert_array_equal(store.read(store.keys()), other.read(other.keys()))


def num_stored(cache: Path) -> int:
    """Rows in all shards, doubled ones counted twice."""
    total = 0
    for path in cache.glob("*/shards/[!.]*.h5"):
        with h5py.File(path) as file:
            total += len(file["view"])
    return total


@pytest.mark.parametrize("how", [{}, {"gather": True, "ship_images": True}], ids=["shared folder", "separate folders"])
def test_killed_worker_costs_only_its_task(
    how: dict[str, bool], cluster: Cluster, many: Path, options: Settings, local: Store, tmp_path: Path
):
    """A worker is killed in the middle: no row that was committed is made again, and the store is a local run's, bit for bit."""
    chosen = with_places(options, tmp_path, backend="dask", scheduler=cluster.address, **how)
    before: dict[str, int] = {}

    def kill_in_the_middle() -> None:
        while len(shards := list(chosen.paths.cache.glob("*/shards/[!.]*.h5"))) < 3:
            time.sleep(0.01)
        cluster.kill_worker()
        before.update({path.name: path.stat().st_mtime_ns for path in shards})

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    done = extract(many, settings=chosen)
    killer.join()

    assert (done.num_rows, done.num_new, done.engine) == (NUM_IMAGES, NUM_IMAGES, "tensorflow")
    assert 0 < len(before) < 8
    assert_same(list_stores(chosen.paths.cache)[0], local)
    shards = {path.name: path.stat().st_mtime_ns for path in chosen.paths.cache.glob("*/shards/[!.]*.h5")}
    assert before.items() <= shards.items()
    assert num_stored(chosen.paths.cache) == NUM_IMAGES
    assert list((tmp_path / "cluster").rglob("*.h5")) == []


def test_late_task_of_a_stopped_worker_stores_no_row_again(
    cluster: Cluster, many: Path, options: Settings, local: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A worker is stopped in the middle of a task, another one does its work, and it goes on when the job is done."""
    monkeypatch.setattr(members, "SILENT_SECONDS", 4)
    chosen = with_places(options, tmp_path, backend="dask", scheduler=cluster.address)
    stopped, process = next(iter(cluster.processes(2).items()))

    def stop_in_the_middle() -> None:
        wait_until(lambda: cluster.num_running(stopped) and len(list(chosen.paths.cache.glob("*/shards/*.h5"))) >= 3)
        os.kill(process, signal.SIGSTOP)

    stopper = threading.Thread(target=stop_in_the_middle)
    stopper.start()
    done = extract(many, settings=chosen)
    stopper.join()
    before = num_stored(chosen.paths.cache)
    os.kill(process, signal.SIGCONT)
    wait_until(lambda: cluster.is_done(stopped, process))

    assert (done.num_rows, before) == (NUM_IMAGES, NUM_IMAGES)
    assert num_stored(chosen.paths.cache) == NUM_IMAGES
    assert_same(list_stores(chosen.paths.cache)[0], local)


@pytest.mark.parametrize("num_blind", [1, 2], ids=["one worker", "all workers"])
def test_worker_without_the_images_costs_no_row(
    num_blind: int,
    many: Path,
    options: Settings,
    local: Store,
    home: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
):
    """Workers whose mount point is empty are named; their images are sent to them, and the store is a local run's."""
    blind = [BLIND.format(str(many)), BLIND.format(str(many)) if num_blind == 2 else ""]
    with running(tmp_path / "cluster", home, *blind) as cluster:
        chosen = with_places(options, tmp_path, backend="dask", scheduler=cluster.address)
        done = extract(many, settings=chosen)

    assert (done.num_rows, done.num_new, done.manifest.skipped) == (NUM_IMAGES, NUM_IMAGES, ())
    assert_same(list_stores(chosen.paths.cache)[0], local)
    named = [record.getMessage() for record in caplog.records if "lacks images" in record.getMessage()]
    assert 1 <= len(named) <= num_blind
    assert all(text.startswith("Worker tcp://127.0.0.1:") and "--ship-images" in text for text in named)
