"""Several processes at once: none waits for ever, none does what another has done, and all end with the same."""

import contextlib
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import psutil
import pytest

from pipeline.cache.store import Store
from pipeline.errors import WorkerDiedError
from pipeline.stage_two.sweep import make_cells, run_sweep
from pipeline.stage_two.training import Training
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
    children = [start(part, cache) for part in parts]
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


def test_killed_worker_of_a_sweep_costs_no_result(tmp_path: Path):
    """The error says what to do; results that were there stay, and the next run makes the others."""
    task = make_task(shape=(400,), num_train=3000, num_classes=4)
    cells = make_cells([f"svm:C={10.0**power:g}" for power in range(-4, 4)] + ["knn:k=1|3|5"], Training())
    done = run_sweep(cells[:2], task, tmp_path, task_digest="these rows", num_workers=1)

    def kill_workers() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not stop.is_set():
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if any("popen_loky" in word for word in child.cmdline()):
                        child.kill()
            time.sleep(0.01)

    stop = threading.Event()
    killer = threading.Thread(target=kill_workers)
    killer.start()
    try:
        with pytest.raises(WorkerDiedError, match="run the sweep again, with fewer --workers"):
            run_sweep(cells, task, tmp_path, task_digest="these rows", num_workers=2)
    finally:
        stop.set()
        killer.join()
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.json")}
    table = run_sweep(cells, task, tmp_path, task_digest="these rows", num_workers=2)

    assert len(kept) >= len(done) == 2
    assert len(table) == len(cells) == 11
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in kept} == kept


def test_four_sweeps_at_once_give_one_table(photos: Path, tmp_path: Path):
    """Four processes that run the same sweep end with the same ranking, and leave one run each."""
    words = ["sklearn:digits", "--base", "squeezenet", "--size", "32", "--weights", "random", "--engine", "tensorflow"]
    places = ["--cache", tmp_path / "cache", "--runs", tmp_path / "runs", "--json"]
    heads = ["--head", "logreg:C=0.001|0.01|0.1", "--head", "ridge:alpha=1|100"]

    def call(*arguments: object) -> dict:
        command = [sys.executable, "-m", "pipeline", *map(str, arguments)]
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
