"""A call in a new process."""

import os
import signal

import pytest

from pipeline.errors import WorkerDiedError
from pipeline.execution.apart import run_apart


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_call_apart_has_a_process_of_its_own():
    """Its result comes back; where it is killed, the error says what may help."""
    assert run_apart(os.getpid) != os.getpid()
    with pytest.raises(WorkerDiedError, match="--batch-size"):
        run_apart(_die)
