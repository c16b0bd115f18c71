"""Tasks in other processes of this machine, and what becomes of them when a process dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.errors import SettingError
from pipeline.execution.tasks import Lost
from pipeline.execution.threads import is_worker, num_threads
from pipeline.execution.workers import Workers


def square(number: int) -> int:
    return number * number


def die_on_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)  # on a busy machine, tasks of no length are all through before the first result is taken
    return number


def tell_place(_: int, shared: str) -> tuple[bool, int, str]:
    return is_worker(), num_threads(), shared


@pytest.mark.parametrize("workers", [Workers(count=1), Workers(count=2), Workers("threading", count=2)], ids=str)
def test_each_task_has_its_result(workers: Workers):
    """In any order, each beside what it was made from."""
    done = dict(workers.run(square, range(10)))

    assert done == {number: number**2 for number in range(10)}


def test_task_is_packed_when_it_is_sent():
    """What is sent is made of the task; what comes back stands beside the task as it was."""
    done = dict(Workers(count=2).run(square, ["1", "2"], pack=int))

    assert done == {"1": 1, "2": 4}


def test_worker_knows_its_share_of_the_machine():
    """Two workers have half of the cores each, and what is shared reaches both."""
    [(_, told)] = Workers(count=2).run(tell_place, [0], share=("all",))

    assert told == (True, max(1, num_threads() // 2), "all")
    assert not is_worker()


def test_dead_worker_costs_the_tasks_that_were_running():
    """They come back as lost, with those that were about to run; all others have their results."""
    done = dict(Workers(count=2).run(die_on_three, range(8)))
    lost = {number for number, result in done.items() if result is Lost.LOST}

    assert 3 in lost
    assert len(lost) <= 4
    assert all(done[number] == number for number in set(range(8)) - lost)


def test_alone_only_the_guilty_task_is_lost():
    """One task at a time, none dies with another; and even a single worker is another process."""
    done = dict(Workers(count=1).run(die_on_three, [1, 3, 5], alone=True))

    assert done == {1: 1, 3: Lost.LOST, 5: 5}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "spark"}, "backend is one of"),
        ({"backend": "dask"}, "needs both"),
        ({"scheduler": "tcp://head:8786"}, "needs both"),
        ({"count": 0}, "positive"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    """Before anything is started."""
    with pytest.raises(SettingError, match=message):
        Workers(**settings)


GROWING = """
import sys, time, warnings
import numpy as np
from pipeline.execution.workers import Workers

kept = []

def grow(number):
    kept.append(np.ones(5 * 10**7))  # 400 MB: joblib replaces a process that grows by 300
    time.sleep(1.1)  # it looks once a second
    return number

if __name__ == "__main__":
    warnings.simplefilter("error")
    print(sorted(result for _, result in Workers(count=2).run(grow, range(6))))
"""


def test_process_that_has_grown_is_replaced(tmp_path):
    """Its tasks are not lost and nobody waits for ever, also where warnings are errors."""
    (tmp_path / "growing.py").write_text(GROWING)
    command = [sys.executable, str(tmp_path / "growing.py")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)

    assert done.stdout == "[0, 1, 2, 3, 4, 5]\n", done.stderr
