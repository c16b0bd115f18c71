"""A call in a new process."""

import os
import signal
import subprocess
import sys

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


def test_the_calling_script_does_not_run_again(tmp_path):
    """A script needs no guard on `__name__`: the new process does not import it."""
    script = tmp_path / "script.py"
    script.write_text("from pipeline.execution.apart import run_apart\nprint('once', run_apart(abs, -1))\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=100, check=False)

    assert done.stdout == "once 1\n", done.stderr
