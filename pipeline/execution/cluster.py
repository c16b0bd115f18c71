"""Tasks on a Dask cluster that is already running."""

import contextlib
import os
import queue
import socket
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pipeline.errors import ClusterError
from pipeline.execution.members import Members, connected
from pipeline.execution.tasks import Lost, Result, Task, Work
from pipeline.execution.threads import num_cores, take_share

_LOOK_SECONDS = 2.0
"""How often the members of the cluster are looked at."""

_RESULT_SECONDS = 600.0
"""Time to fetch the result of a task, which can be the bytes of a shard."""


def run_on_cluster(
    work: Work[Task, Result], *, address: str, count: int | None
) -> Iterator[tuple[Task, Result | Lost]]:
    """Run tasks on a cluster; see `Workers.run`.

    Args:
        work: The tasks.
        address: Of the scheduler.
        count: Number of tasks that are sent ahead; None: two per worker.

    Raises:
        ClusterError: The scheduler does not answer or is lost, its workers lack this package, or there was none for too long.
        MissingExtraError: Dask is not installed.
    """
    with connected(address) as members:
        yield from _Job(members, work, count).run()


def worker_name() -> str:
    """Name of the worker that runs this task, for messages: its address in a Dask cluster, otherwise its process."""
    if "distributed" in sys.modules:
        with contextlib.suppress(ValueError):  # Dask is imported, but this is not one of its tasks
            return str(sys.modules["distributed"].get_worker().address)
    return f"process {os.getpid()} on {socket.gethostname()}"


@dataclass(frozen=True)
class _Sent:
    """A task that was sent."""

    position: int
    """In the list of tasks."""

    workers: frozenset[str]
    """Addresses of the workers that may run it."""

    future: Any
    data: Any
    """What was sent; the workers keep it as long as this is kept."""


class _Job:
    """The tasks of one call of `run_on_cluster`."""

    def __init__(self, members: Members, work: Work[Any, Any], count: int | None) -> None:
        self.members, self.work, self.count = members, work, count
        self.name = uuid.uuid4().hex
        self.waiting = deque(range(len(work.tasks)))
        self.sent: dict[str, _Sent] = {}
        """By the key of their futures."""

        self.finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.looked = time.monotonic()

    def run(self) -> Iterator[tuple[Any, Any]]:
        """Each task with its result."""
        shared = None
        while self.waiting or self.sent:
            if shared is None and self.members.usable:
                shared = self._send_share()
            while shared is not None and self.waiting and len(self.sent) < self._num_ahead():
                if not self._send(self.waiting.popleft(), shared):
                    break
            with contextlib.suppress(queue.Empty):
                sent = self.sent.pop(self.finished.get(timeout=_LOOK_SECONDS).key, None)
                if sent is not None:  # otherwise it was given up
                    yield self.work.tasks[sent.position], self._result(sent.future)
            if time.monotonic() - self.looked > _LOOK_SECONDS:
                self.members.look()
                self.looked = time.monotonic()
                yield from ((self.work.tasks[position], Lost.LOST) for position in self._give_up())

    def _num_ahead(self) -> int:
        return (self.count or 2 * len(self.members.usable)) if self.members.usable else 0

    def _send_share(self) -> list[Any] | None:
        """What all tasks need, on every worker; None if it has to be sent again."""
        return self.members.send(self.work.share, broadcast=True) if self.work.share else []

    def _send(self, position: int, shared: Sequence[Any]) -> bool:
        """Send a task; False if it has to be sent again."""
        data = self.members.send([self.work.pack(self.work.tasks[position])])
        if data is None:
            self.waiting.appendleft(position)
            return False
        client, workers = self.members.client, self.members.usable
        call = partial(_run_once, self.work.function, self.members.most_per_machine(), f"{self.name}-{position}")
        key = f"bottleneck-{uuid.uuid4().hex}"
        future = client.submit(call, *data, *shared, key=key, workers=list(workers), pure=False)
        self.sent[key] = _Sent(position, workers, future, data)
        future.add_done_callback(self.finished.put)
        return True

    def _result(self, future: Any) -> Any:
        """The result of a finished task; `Lost.LOST` if its worker died.

        Raises:
            ClusterError: The scheduler is lost, or a worker cannot load the task.
            Exception: Whatever the task has raised.
        """
        from distributed import CancelledError, KilledWorker

        if future.status not in ("finished", "error"):  # cancelled by Dask
            self.members.look()
            return Lost.LOST
        if future.status == "error":
            error = future.exception(timeout=_RESULT_SECONDS)
            if isinstance(error, KilledWorker):
                return Lost.LOST
            if isinstance(error, ImportError):
                raise ClusterError(
                    f"A member of the cluster at {self.members.address} cannot load a task: {error}. Install the same "
                    "packages everywhere, on the scheduler's machine too."
                ) from error
            raise error
        try:
            return future.result(timeout=_RESULT_SECONDS)
        except (TimeoutError, OSError, CancelledError):  # the worker was lost when it had finished
            self.members.look()
            return Lost.LOST

    def _give_up(self) -> list[int]:
        """Take back the tasks of workers that are gone or silent; what such a worker finishes later is ignored."""
        silent = self.members.silent()
        gone = [key for key, sent in self.sent.items() if sent.workers.isdisjoint(self.members.workers)]
        if silent:
            client = self.members.client
            busy: dict[str, list[str]] = {}
            with contextlib.suppress(OSError):
                busy = self.members.ask(lambda: client.scheduler.processing(workers=list(silent)))
            gone += [key for keys in busy.values() for key in keys if key in self.sent and key not in gone]
        positions = []
        for sent in map(self.sent.pop, gone):
            sent.future.release()
            positions.append(sent.position)
        return positions


def _run_once(function: Callable[..., Result], neighbours: int, name: str, task: Any, *share: Any) -> Result | Lost:
    """Run a task unless it was begun before.

    Dask gives the task of a dead worker to the next one. That must not die of it too, so the task comes back as lost.
    """
    from distributed import Event

    take_share(max(1, num_cores() // neighbours))
    begun = Event(name)
    if begun.is_set():
        return Lost.LOST
    begun.set()
    result = function(task, *share)
    begun.clear()
    return result
