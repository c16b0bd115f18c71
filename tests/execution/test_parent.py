"""Worker processes end with their parent."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

PROJECT = Path(__file__).parents[2]

CHILD = """
import os, time
from pipeline.execution import parent
{patch}
parent.follow(os.getppid())
print(os.getpid(), flush=True)
time.sleep(60)
"""

PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", sys.argv[1]])
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["the system", "the system, while it is stopped", "a thread"])
def test_process_ends_with_its_parent(how: str):
    """The parent is killed, so that it can tell nobody."""
    if how != "a thread" and sys.platform != "linux":
        pytest.skip("the system does it on Linux only")
    child = CHILD.format(patch="parent._dies_with_parent = lambda: False" if how == "a thread" else "")
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    command = [sys.executable, "-c", PARENT, child]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as started:
        process = psutil.Process(int(started.stdout.readline()))
        if "stopped" in how:
            process.suspend()
        started.kill()

        process.wait(timeout=10)


def test_parent_that_has_ended_is_followed_at_once():
    """A worker that starts after that does nothing."""
    code = "from pipeline.execution.parent import follow; follow(1 << 22); print('goes on')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, check=False
    )

    assert (done.returncode, done.stdout) == (1, b"")
