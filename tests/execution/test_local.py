"""Tasks in threads of this process; those in processes are in test_workers.py."""

import multiprocessing
import operator
import threading
from concurrent.futures.process import BrokenProcessPool

import pytest

from pipeline.execution.local import run_in_processes, run_in_threads
from pipeline.execution.tasks import Lost, Work


def test_task_is_packed_no_earlier_than_it_is_needed():
    """Of fifty tasks, a few at a time are in memory as they are sent."""
    packed, begun, waiting = [], [], []

    def call(task):
        begun.append(task)
        waiting.append(len(packed) - len(begun))

    list(run_in_threads(Work(call, range(50), (), lambda task: packed.append(task) or task), count=2))

    assert len(packed) == 50
    assert max(waiting) < 8


def test_what_is_shared_follows_the_task():
    """The function is called in another thread, with the packed task first."""

    def call(number, *share):
        return number, share, threading.current_thread() is threading.main_thread()

    done = dict(run_in_threads(Work(call, ["1", "2"], ("a", "b"), int), count=2))

    assert done == {"1": (1, ("a", "b"), False), "2": (2, ("a", "b"), False)}


def test_tasks_run_here_where_no_process_may_be_started():
    """In a worker of multiprocessing, as in a pool or in Celery; it lives on, where it was ended without a word."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_squares).get(timeout=30) == [0, 1, 4]


def _squares():
    done = run_in_processes(Work(operator.pow, range(3), (2,), int), count=2)
    return sorted(result for _, result in done)


def test_error_of_a_task_is_the_callers():
    """It is no lost task."""
    with pytest.raises(ZeroDivisionError):
        list(run_in_threads(Work(lambda number: 1 // number, [0], (), lambda task: task), count=1))


def test_tasks_of_a_broken_pool_are_lost_and_the_rest_goes_on():
    """Whatever ran when it broke comes back beside the task; a new pool takes those that were not sent."""
    waiting = {3}

    def call(number):
        if number in waiting:
            waiting.clear()
            raise BrokenProcessPool
        return number

    done = dict(run_in_threads(Work(call, range(8), (), lambda task: task), count=1))
    lost = {task for task, result in done.items() if result is Lost.LOST}

    assert done.keys() == set(range(8))
    assert 3 in lost
    assert len(lost) <= 3
    assert all(done[task] == task for task in set(range(8)) - lost)
