"""Coroutines for callers that wait."""

import asyncio
import sys
import threading

import pytest

from pipeline.images.remote.loop import prompt, running, wait


def test_results_and_errors_come_back():
    """Whatever a coroutine returns or raises, a timeout of its own too."""

    async def give():
        return threading.current_thread()

    async def fail():
        raise TimeoutError("of its own")

    assert wait(give()) is not threading.current_thread()
    with pytest.raises(TimeoutError, match="of its own"):
        wait(fail())


def test_work_runs_beside_the_caller():
    """It goes on while the caller does something else, and is ended with the context."""
    begun, ended = threading.Event(), threading.Event()

    async def last(seconds):
        try:
            begun.set()
            await asyncio.sleep(seconds)
        finally:
            ended.set()
        return "done"

    with running(last(0)) as result:
        assert begun.wait(5)
        assert result(lambda: None) == "done"
    ended.clear()
    with running(last(60)):
        pass

    assert ended.wait(5)


def test_turns_are_short_for_a_while():
    """And as they were afterwards, whatever happens."""
    before, meanwhile = sys.getswitchinterval(), []

    @prompt()
    def fail():
        meanwhile.append(sys.getswitchinterval())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert meanwhile[0] < before
    assert sys.getswitchinterval() == before


def test_interrupted_wait_ends_the_work():
    """An interrupt of the caller cancels what runs, instead of leaving it to go on."""
    ended = threading.Event()

    async def last():
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wait(last(), interrupt)

    assert ended.wait(5)
