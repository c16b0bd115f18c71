"""A command in which nothing moves ends by itself; one in which something does is left alone."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import watchdog

PROJECT = Path(__file__).resolve().parents[1]

# A command line whose stage one hangs in its engine after 2 batches of 4 images.
HANGING = """
import ctypes, sys, threading, time
from pipeline import watchdog
from pipeline.bases.network import build_base
from pipeline.stage_one import engines, pending
import pipeline.cli.app
watchdog.LIMIT_SECONDS, watchdog._BACKSTOP_SECONDS, pending._SHARD_ROWS = {limit}, 1, 4
hang, calls, plain = sys.argv.pop(1), [], engines.TensorFlowEngine.features
def features(self, inputs):
    calls.append(1)
    if len(calls) == 3:
        print("hangs", flush=True)
        ctypes.PyDLL(None).sleep(60) if hang == "with the lock" else threading.Event().wait()
    return plain(self, inputs)
engines.TensorFlowEngine.features = features
pipeline.cli.app.main()
"""


def start_hanging(how: str, photos: Path, folder: Path, *, limit: float, words=()) -> "subprocess.Popen[str]":
    base = ("--base", "squeezenet", "--size", "32", "--weights", "random", "--engine", "tensorflow")
    options = (*base, "--batch-size", "4", "--cache", str(folder / "cache"), "--backend", "threading", *words)
    command = [sys.executable, "-c", HANGING.format(limit=limit), how, "features", str(photos), *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=PROJECT, **pipes)


def test_job_that_hangs_ends_with_its_stacks_and_what_was_committed(photos, tmp_path):
    """Exit code 1, one message, the stack of the thread that hangs; the shards are whole."""
    with start_hanging("without the lock", photos, tmp_path, limit=2, words=["--json"]) as process:
        out, err = process.communicate(timeout=120)

    message = json.loads(out.removeprefix("hangs\n"))
    assert process.returncode == 1
    assert message["error"] == "HungError"
    assert "Stage one: no progress" in message["message"]
    assert "new rows were committed; the same command goes on" in message["message"]
    assert "in features" in err
    assert len(list(tmp_path.glob("cache/*/shards/[!.]*.h5"))) >= 1


def test_job_that_holds_the_interpreter_ends_too(photos, tmp_path):
    """No Python code can run then; the stacks and the exit code are the same."""
    with start_hanging("with the lock", photos, tmp_path, limit=2) as process:
        _, err = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "in features" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_ends_a_command_that_cannot_run_its_handlers(number, photos, tmp_path):
    """The first one cannot be heard, because a native call holds the interpreter; the second one needs nobody to hear it."""
    with start_hanging("with the lock", photos, tmp_path, limit=60) as process:
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.send_signal(number)

        assert process.wait(timeout=5) == -number


def test_job_that_moves_is_left_alone(monkeypatch):
    """However long it takes in all; an end would kill this process."""
    reports = []
    monkeypatch.setattr(watchdog, "LIMIT_SECONDS", 0.4)
    with watchdog.armed(reports.append), watchdog.watch("Job") as moved:
        for _ in range(10):
            time.sleep(0.1)
            moved()

    assert reports == []


def test_nothing_is_watched_where_the_watchdog_is_not_armed(monkeypatch):
    """A library ends nobody's process."""
    monkeypatch.setattr(watchdog, "LIMIT_SECONDS", 0.05)
    with watchdog.watch("Job") as moved:
        time.sleep(0.3)

    assert moved is watchdog.ignore
