"""A scheduler and two workers."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import ready

ROOT = Path(__file__).parents[2]

BLIND = """
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

OLDER = "import pipeline; pipeline.__version__ = '0.0.1'"
"""What it runs in a worker of another version."""

BARE = """
import sys

class Nothing:
    def find_spec(self, name, *_):
        if name.split(".")[0] == "pipeline":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in [name for name in sys.modules if name.split(".")[0] == "pipeline"]:
    del sys.modules[name]
sys.meta_path.insert(0, Nothing())
"""
"""What it runs in a worker or scheduler that lacks the package."""


@dataclass
class Cluster:
    """Processes of the `dask` command."""

    address: str
    scheduler: "subprocess.Popen[bytes]"
    start_worker: Callable[..., "subprocess.Popen[bytes]"]
    """Starts one more; its argument is what it runs first."""

    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def processes(self, count: int) -> dict[str, int]:
        """Addresses and process numbers of the workers, when there are so many."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)
            return client.run(os.getpid)

    def num_running(self, worker: str) -> int:
        """Number of tasks that a worker is running, also of those that nobody waits for any more."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            return client.run(_num_running, workers=[worker])[worker]

    def is_done(self, worker: str, process: int) -> bool:
        """Whether a worker runs no task any more. One that the scheduler gave up leaves when its task is done."""
        import dask

        if any(one.pid == process and one.poll() is not None for one in self.workers):
            return True
        try:
            with dask.config.set({"distributed.comm.timeouts.connect": "2s"}):
                return self.num_running(worker) == 0
        except OSError:  # it is leaving
            return False

    def kill_worker(self) -> None:
        """SIGKILL, as an operating system out of memory sends it."""
        self.workers.pop().send_signal(signal.SIGKILL)


def _num_running(dask_worker: object) -> int:
    return len(dask_worker.state.executing)


@contextlib.contextmanager
def running(folder: Path, home: Path, *first: str, scheduler_first: str = "") -> Iterator[Cluster]:
    """A cluster whose workers stand in folders of their own.

    Args:
        folder: For those folders.
        home: Where the workers find weights.
        first: What each worker runs first; as many workers are started.
        scheduler_first: What the scheduler runs first.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "BOTTLENECK_HOME": str(home), "TF_CPP_MIN_LOG_LEVEL": "3"}

    def dask(*words: str, cwd: Path, first: str) -> subprocess.Popen[bytes]:
        cwd.mkdir(parents=True)
        (cwd / "first.py").write_text(first)
        with (cwd / "log").open("wb") as log:
            command = [ready.python(), "-m", "dask", *words, "--no-dashboard", "--preload", str(cwd / "first.py")]
            return subprocess.Popen(command, cwd=cwd, env=environment, stdout=log, stderr=log)

    with contextlib.ExitStack() as started:

        def start(*words: str, cwd: Path, first: str) -> subprocess.Popen[bytes]:
            process = dask(*words, cwd=cwd, first=first)
            started.callback(process.wait)
            started.callback(process.kill)
            return process

        def start_worker(first: str = "") -> subprocess.Popen[bytes]:
            place = ["--nthreads", "1", "--no-nanny", "--host", "127.0.0.1", "--local-directory", "."]
            number = len(cluster.workers)
            process = start("worker", address, *place, cwd=folder / f"worker{number}", first=first)
            cluster.workers.append(process)
            return process

        words = ("scheduler", "--host", "127.0.0.1", "--port", "0")
        scheduler = start(*words, cwd=folder / "scheduler", first=scheduler_first)
        address = wait_for_address(folder / "scheduler" / "log")
        cluster = Cluster(address, scheduler, start_worker)
        for text in first:
            start_worker(text)
        yield cluster


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
    with running(tmp_path / "cluster", home, "", "") as started:
        yield started
