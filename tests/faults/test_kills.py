"""A process is killed: nothing that was committed is lost, nothing is computed twice, and the next run goes on."""

import contextlib
import importlib
import os
import random
import re
import signal
import time
from pathlib import Path

import psutil
import pytest

from pipeline.cache.store import Store
from tests.faults.child import SHARD_ROWS, SMALL, STEPS, Averages, run
from tests.faults.conftest import NUM_PHOTOS, PROJECT, assert_nothing_wrong, assert_same, start, wait_for_shards


def test_killed_at_random_moments(many: Path, cache: Path, undisturbed: Store):
    """Killed again and again while it commits, stage one ends with the bits of an undisturbed run."""
    rng = random.Random(0)
    committed, num_killed = 0, 0
    for _ in range(6):
        with start(many, cache) as child:
            wait_for_shards(cache, committed + 1, child)
            time.sleep(rng.uniform(0, 0.05))
            child.kill()
        num_killed += child.returncode == -signal.SIGKILL
        rows = assert_nothing_wrong(cache, undisturbed)
        assert rows >= committed * SHARD_ROWS
        committed = rows // SHARD_ROWS
    engine = Averages()
    run(many, cache, engine)

    assert num_killed >= 3
    assert engine.num_images == NUM_PHOTOS - committed * SHARD_ROWS
    assert_same(cache, undisturbed)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step_of_a_commit(step: str, many: Path, cache: Path, undisturbed: Store):
    """Before the shard has its name its rows are not there; from then on they are."""
    with start(many, cache, "--at", step) as child:
        assert child.wait(timeout=120) == -signal.SIGKILL
    rows = assert_nothing_wrong(cache, undisturbed)
    engine = Averages()
    run(many, cache, engine)

    assert rows == SHARD_ROWS * (2 if step in ("written", "synced") else 3)
    assert engine.num_images == NUM_PHOTOS - rows
    assert_same(cache, undisturbed)


def test_dead_holder_lets_go(many: Path, cache: Path, undisturbed: Store):
    """The lock of a killed process does not keep the next one waiting."""
    with start(many, cache) as child:
        wait_for_shards(cache, 1, child)
        child.kill()
    begun = time.monotonic()
    with Store(cache, SMALL).adding():
        waited = time.monotonic() - begun
    run(many, cache, Averages())

    assert waited < 5
    assert_same(cache, undisturbed)


def test_interrupted_run_keeps_what_it_computed(many: Path, cache: Path, undisturbed: Store):
    """Ctrl-C commits the rows that were computed and not yet committed; the next run makes the others only."""
    with start(many, cache, "--delay", 0.1) as child:
        wait_for_shards(cache, 1, child)
        time.sleep(0.15)
        child.send_signal(signal.SIGINT)
        child.wait(timeout=60)
    rows = assert_nothing_wrong(cache, undisturbed)
    engine = Averages()
    run(many, cache, engine)

    assert child.returncode != 0
    assert SHARD_ROWS < rows < NUM_PHOTOS
    assert engine.num_images == NUM_PHOTOS - rows
    assert_same(cache, undisturbed)


def test_interrupted_driver_of_workers_keeps_what_is_there(many: Path, cache: Path, undisturbed: Store):
    """Ctrl-C ends the driver and its workers at once; the rows that are committed stay, and the next run makes the others only."""
    with start(many, cache, "--workers", 2, "--delay", 0.15, start_new_session=True) as child:
        wait_for_shards(cache, 1, child)
        os.killpg(child.pid, signal.SIGINT)
        child.wait(timeout=60)
        deadline = time.monotonic() + 20
        with contextlib.suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(child.pid, 0)
                time.sleep(0.05)
        assert time.monotonic() < deadline, "a worker goes on"
    rows = assert_nothing_wrong(cache, undisturbed)
    engine = Averages()
    run(many, cache, engine)

    assert child.returncode != 0
    assert 32 <= rows < NUM_PHOTOS
    assert engine.num_images == NUM_PHOTOS - rows
    assert_same(cache, undisturbed)


@pytest.mark.parametrize("stopped", [False, True])
def test_workers_end_with_a_killed_driver(stopped: bool, many: Path, cache: Path, undisturbed: Store):
    """Within seconds, even one that is stopped; what they committed stays, and the next run makes the others only."""
    with start(many, cache, "--workers", 2, "--delay", 0.15) as child:
        wait_for_shards(cache, 1, child)
        workers = psutil.Process(child.pid).children(recursive=True)
        if stopped:
            next(worker for worker in workers if "LokyProcess" in str(worker.cmdline())).suspend()
        child.kill()
        child.wait(timeout=10)
        gone, alive = psutil.wait_procs(workers, timeout=10)
    rows = assert_nothing_wrong(cache, undisturbed)
    engine = Averages()
    run(many, cache, engine)

    assert alive == []
    assert len(gone) >= 2
    assert engine.num_images == NUM_PHOTOS - rows
    assert_same(cache, undisturbed)


def test_what_the_long_form_changes_is_there():
    """`benchmarks/kill.py` makes shards small in the processes that it kills; it is too long to be run here."""
    script = (PROJECT / "benchmarks" / "kill.py").read_text(encoding="utf-8")
    found = re.search(r"from (\S+) import (\w+); \2\.(\w+) = ", script)

    assert found is not None
    assert hasattr(importlib.import_module(f"{found[1]}.{found[2]}"), found[3])
