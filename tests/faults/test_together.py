"""Several processes at once: none waits for ever, none does what another has done, and all end with the same."""

import contextlib
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.cache.store import Store
from pipeline.execution.workers import Workers
from pipeline.stage_two.grid import Grid
from pipeline.stage_two.sweep import run_sweep
from tests import ready
from tests.cache.samples import RECIPE, SHAPE, make_keys, make_rows
from tests.faults.child import Averages, run
from tests.faults.conftest import NUM_PHOTOS, assert_same, num_stored, start, wait_for_shards
from tests.stage_two.tasks import make_task


def test_two_stage_ones_never_make_a_row_twice(many: Path, cache: Path, undisturbed: Store):
    """The second waits for the first, then finds all rows there; it says that it waits."""
    with start(many, cache, "--delay", 0.4) as first:
        wait_for_shards(cache, 1, first)
        with start(many, cache) as second:
            said = [first.communicate(timeout=120), second.communicate(timeout=120)]

    assert [int(out) for out, _ in said] == [NUM_PHOTOS, 0]
    assert "Another process is adding rows" in said[1][1]
    assert_same(cache, undisturbed)


def test_eight_stage_ones_of_parts_that_overlap(many: Path, cache: Path, undisturbed: Store, tmp_path: Path):
    """Whatever the order, each row is made by one of them."""
    photos = sorted(many.rglob("*.png"))
    parts = []
    for number in range(8):
        part = tmp_path / f"part{number}"
        for photo in photos[number * 10 : number * 10 + 26]:
            target = part / photo.relative_to(many)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(photo.read_bytes())
        parts.append(part)
    children = [start(part, cache, python=ready.python()) for part in parts]
    made = []
    for child in children:
        with child:
            made.append(int(child.communicate(timeout=240)[0]))

    assert sum(made) == NUM_PHOTOS
    assert_same(cache, undisturbed)


def test_writers_that_do_not_know_of_each_other_do_no_harm(tmp_path: Path):
    """On two machines there is no common lock: rows may be made twice then, and are served once."""
    first, second = Store(tmp_path, RECIPE), Store(tmp_path, RECIPE)
    assert (len(first), len(second)) == (0, 0)
    first.append(make_keys(range(10)), make_rows(range(10)), {"engine": "one"})
    second.append(make_keys(range(14, 4, -1)), make_rows(range(14, 4, -1)), {"engine": "two"})
    store = Store(tmp_path, RECIPE)

    assert (len(store), num_stored(store)) == (15, 20)
    np.testing.assert_array_equal(store.read(make_keys(range(15))), make_rows(range(15)))
    assert store.row_shape == SHAPE


def test_store_without_locks_works(many: Path, cache: Path, undisturbed: Store, monkeypatch: pytest.MonkeyPatch):
    """A file system that knows no locks is one without them, and no error."""
    from filelock import FileLock

    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(FileLock, "_acquire", refuse)
    run(many, cache, Averages())

    assert_same(cache, undisturbed)


@contextlib.contextmanager
def killing_workers(most: int) -> Iterator[list[int]]:
    """Kill worker processes as soon as they are there, so many of them; those that were."""
    killed: list[int] = []
    stop = threading.Event()

    def kill() -> None:
        while not stop.is_set():
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if len(killed) < most and any("popen_loky" in word for word in child.cmdline()):
                        child.kill()
                        killed.append(child.pid)
            time.sleep(0.01)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        stop.set()
        killer.join()


def test_killed_worker_of_a_sweep_costs_only_time(tmp_path: Path):
    """Its head is fitted again, and the table is that of an undisturbed sweep."""
    task = make_task(shape=(40,), num_train=300, num_classes=4)
    cells = Grid(["svm:C=0.001|0.1", "ridge:alpha=1", "knn:k=1|3"]).cells(task.task)
    with killing_workers(1) as killed:
        table = run_sweep(cells, task, tmp_path / "a", task_digest="these rows", workers=Workers(count=2))
    undisturbed = run_sweep(cells, task, tmp_path / "b", task_digest="these rows", workers=Workers(count=1))

    assert len(killed) == 1
    assert [row.head for row in table] == [row.head for row in undisturbed]
    assert [row.validation for row in table] == [row.validation for row in undisturbed]


def test_heads_that_kill_their_workers_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Where every worker dies the warning says what to do; results that were there stay, and the next run makes the others."""
    task = make_task(shape=(40,), num_train=300, num_classes=4)
    cells = Grid(["svm:C=0.001|0.1", "ridge:alpha=1"]).cells(task.task)
    done = run_sweep(cells[:1], task, tmp_path, task_digest="these rows", workers=Workers(count=1))
    with killing_workers(1000):
        rest = run_sweep(cells, task, tmp_path, task_digest="these rows", workers=Workers(count=2))
    table = run_sweep(cells, task, tmp_path, task_digest="these rows", workers=Workers(count=2))

    assert rest == done
    assert "crashed its worker twice" in caplog.text
    assert len(table) == len(cells) == 3
    assert done[0] in table


def test_four_sweeps_at_once_give_one_table(photos: Path, tmp_path: Path):
    """Four processes that run the same sweep end with the same ranking, and leave one run each."""
    words = [photos, "--base", "squeezenet", "--size", "32", "--weights", "random", "--engine", "tensorflow"]
    places = ["--cache", tmp_path / "cache", "--runs", tmp_path / "runs", "--json"]
    heads = ["--head", "logreg:C=0.001|0.01|0.1", "--head", "ridge:alpha=1|100"]

    def call(*arguments: object) -> dict:
        command = [ready.python(), "-m", "pipeline", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    call("features", *words, *places)
    with ThreadPoolExecutor(4) as pool:
        tables = list(
            pool.map(lambda number: call("sweep", *words, *heads, "--name", f"best{number}", *places), range(4))
        )

    def ranking(table: dict) -> list:
        return [(row["head"], row["validation"]) for row in table["results"]]

    assert len(tables[0]["results"]) == 5
    assert all(ranking(table) == ranking(tables[0]) for table in tables)
    assert sorted(path.name for path in (tmp_path / "runs").glob("best*")) == [f"best{number}" for number in range(4)]
