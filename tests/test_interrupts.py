"""Signals end a command, whatever its native code does; that the first one stops it in order is in tests/cli/test_app.py."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest

from pipeline import interrupts
from tests.hanging import PROJECT, start_hanging

COMMAND = """
import contextlib, ctypes, sys, threading
from pipeline import interrupts, maintenance
from pipeline.cli.app import main

interrupts.STOP_SECONDS, interrupts.CLOSE_SECONDS, interrupts._COLLECT_SECONDS = {seconds}, 0.5, 0.2

def wait(): threading.Event().wait()
def begin(hang=wait):
    sys.stdout.write("begun\\n")
    sys.stdout.flush()
    hang()
def lose():
    with contextlib.suppress(KeyboardInterrupt): begin()
def lose_with_a_cycle():
    try: wait()
    except KeyboardInterrupt as error: kept = error
def replace():
    try: begin()
    except KeyboardInterrupt: pass
    raise RuntimeError("MISMATCH of original and normalized active exception types")
def deadlock():
    mutex, lock = ctypes.create_string_buffer(64), ctypes.CDLL(None).pthread_mutex_lock
    lock(mutex), lock(mutex)
def work(*_, **__):
    {body}
    return []

maintenance.list_bases = work
main(["bases", "--json"])
"""
"""A command that does something else. What native code does to an exception, Python code does here."""

ENDINGS = {
    "in order": ("begin()", 60),
    "lost, then it waits for ever": ("lose(); wait()", 60),
    "lost twice, once kept by a cycle": ("lose(); lose_with_a_cycle(); wait()", 60),
    "lost, then it is done": ("interrupts._COLLECT_SECONDS = 60; lose()", 60),
    "another error": ("replace()", 60),
    "a thread that never ends": ("threading.Thread(target=wait).start(); begin()", 60),
    "native code that never ends": ("begin(deadlock)", 1),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_first_signal_ends_a_command_with_its_exit_code(ending: str):
    """Exit code 130 and one value of JSON, within the time limits, whatever becomes of the exception."""
    body, seconds = ENDINGS[ending]
    code = COMMAND.format(body=body, seconds=seconds)
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)

    assert process.returncode == interrupts.EXIT_CODE == 130
    said = json.loads(said)
    assert said == [] if ending == "lost, then it is done" else said["error"] == "Interrupted"


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN], ids=["lost", "nohup"])
def test_a_lost_terminal_stops_a_command_in_order(handler):
    """The shell says it, and the system says it again: the second time ends nothing. With `nohup` the command goes on."""
    code = COMMAND.format(body="begin(sys.stdin.readline)", seconds=60)
    environment, pipes = (
        os.environ | {"PYTHONPATH": str(PROJECT)},
        {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE},
    )
    usual = signal.signal(signal.SIGHUP, handler)
    try:
        process = subprocess.Popen([sys.executable, "-c", code], **pipes, env=environment, text=True)
    finally:
        signal.signal(signal.SIGHUP, usual)
    with process:
        assert process.stdout.readline() == "begun\n"
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
        said, _ = process.communicate("go on\n", timeout=20)

    said = json.loads(said)
    assert (process.returncode, said) == (0, []) if handler == signal.SIG_IGN else (130, said["error"] == "Interrupted")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_signal_ends_a_command_that_cannot_run_its_handlers(number, photos, tmp_path):
    """A native call that holds the interpreter's lock keeps Python from handling the first signal; the second needs no Python."""
    with start_hanging("with", photos, tmp_path, limit_seconds=60) as process:
        assert process.stdout.readline() == "hangs\n"
        process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.send_signal(number)

        assert process.wait(timeout=5) == -number


@pytest.fixture
def own_hangup():
    """SIGHUP as in a terminal, even where the tests run under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("own_hangup")
def test_handlers_are_those_of_before_when_a_command_is_done():
    """A program that calls the command line keeps its own, and no thread stays."""
    before = [signal.getsignal(number) for number in (*interrupts._SIGNALS, interrupts._AGAIN)]
    with interrupts.stopping_in_order(print):
        [thread] = [thread for thread in threading.enumerate() if thread.name == "interrupts"]
        assert [signal.getsignal(number) for number in interrupts._SIGNALS] == [interrupts._interrupt] * 3
    thread.join(10)

    assert not thread.is_alive()
    assert [signal.getsignal(number) for number in (*interrupts._SIGNALS, interrupts._AGAIN)] == before
