"""A command that makes no progress ends by itself; one that makes progress is left alone."""

import faulthandler
import json
import threading
from collections.abc import Iterator

import pytest

from pipeline import watchdog
from tests.hanging import start_hanging


def test_job_that_hangs_ends_with_its_stacks_and_what_was_committed(photos, tmp_path):
    """Exit code 1, one message, and the stack of the thread that hangs; the shards are whole."""
    with start_hanging("without", photos, tmp_path, limit_seconds=2) as process:
        out, err = process.communicate(timeout=120)

    message = json.loads(out.removeprefix("hangs\n"))
    assert process.returncode == 1
    assert message["error"] == "HungError"
    assert "Stage one: no progress" in message["message"]
    assert "new rows were committed; the same command goes on" in message["message"]
    assert "in features" in err
    assert len(list(tmp_path.glob("*/shards/[!.]*.h5"))) >= 1


def test_job_that_holds_the_interpreter_ends_too(photos, tmp_path):
    """No Python code can run then; the stacks and the exit code are the same, and one of the stacks says what was committed."""
    with start_hanging("with", photos, tmp_path, limit_seconds=2) as process:
        _, err = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "in features" in err
    assert "Stage one, no progress. " in err
    assert "committed" in err


@pytest.fixture
def _no_timer() -> Iterator[None]:
    """The timer in C is cancelled after the test."""
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.mark.usefixtures("_no_timer")
def test_job_that_makes_progress_never_hangs():
    """Each sign of progress starts the limit anew, however long the job takes in all."""
    now = 0.0
    watched = watchdog._Watch("Job", 600, clock=lambda: now)
    for _ in range(10):
        now += 599
        assert watched.seconds_left() == 1
        watched.moved()
        assert watched.seconds_left() == 600

    now += 601
    assert watched.seconds_left() == -1


def test_armed_watchdog_leaves_a_job_that_is_over_alone():
    """Its thread ends with the job, and nothing is reported."""
    reports = []
    with watchdog.armed(reports.append), watchdog.watch("Job") as moved:
        [thread] = [thread for thread in threading.enumerate() if thread.name == "watchdog"]
        moved()
    thread.join(timeout=10)

    assert not thread.is_alive()
    assert reports == []


def test_nothing_is_watched_unless_the_watchdog_is_armed():
    """A library never ends the process of its caller."""
    before = set(threading.enumerate())
    with watchdog.watch("Job", 0.0) as moved:
        assert set(threading.enumerate()) <= before

    assert moved is watchdog.ignore
