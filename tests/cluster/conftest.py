"""A scheduler and two workers."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import ready

ROOT = Path(__file__).parents[2]

_BLIND = """
import errno
from pipeline.images.manifest import Files

read = Files.read

def read_mounted(self, position):
    if str(self.root) == {!r}:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", self.names[position])
    return read(self, position)

Files.read = read_mounted
"""
"""What Dask runs first in a worker whose mount point is empty."""


@dataclass
class Cluster:
    """Processes of the `dask` command."""

    address: str
    workers: list[subprocess.Popen[bytes]]

    def kill_worker(self) -> None:
        """SIGKILL, as an operating system out of memory sends it."""
        self.workers.pop().send_signal(signal.SIGKILL)


@contextlib.contextmanager
def running(folder: Path, home: Path, *, num_blind: int = 0, blind_to: Path | None = None) -> Iterator[Cluster]:
    """A cluster whose workers stand in folders of their own; some see a folder of images as an empty one."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "BOTTLENECK_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}

    def dask(*words: str, cwd: Path) -> subprocess.Popen[bytes]:
        cwd.mkdir(parents=True)
        with (cwd / "log").open("wb") as log:
            command = [ready.python(), "-m", "dask", *words, "--no-dashboard"]
            return subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log)

    with contextlib.ExitStack() as started:

        def start(*words: str, cwd: Path) -> subprocess.Popen[bytes]:
            process = dask(*words, cwd=cwd)
            started.callback(process.wait)
            started.callback(process.kill)
            return process

        start("scheduler", "--host", "127.0.0.1", "--port", "0", cwd=folder / "scheduler")
        address = wait_for_address(folder / "scheduler" / "log")
        place = ["--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--local-directory", "."]
        blind = folder / "blind.py"
        blind.write_text(_BLIND.format(str(blind_to)))
        workers = [
            start(
                "worker",
                address,
                *place,
                *(["--preload", str(blind)] * (number < num_blind)),
                cwd=folder / f"worker{number}",
            )
            for number in range(2)
        ]
        yield Cluster(address, workers)


def wait_for_address(log: Path, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = re.search(r"tcp://127\.0\.0\.1:\d+", log.read_text())
        if found:
            return found[0]
        time.sleep(0.1)
    raise TimeoutError(log.read_text())


@pytest.fixture
def cluster(tmp_path: Path, home: Path) -> Iterator[Cluster]:
    """Two workers of one thread each."""
    with running(tmp_path / "cluster", home) as started:
        yield started
