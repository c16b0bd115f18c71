"""Workers: how many there are, where they run, and how tasks reach them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import SettingError
from pipeline.execution.cluster import run_on_cluster
from pipeline.execution.local import run_in_processes, run_in_threads
from pipeline.execution.tasks import Lost, Result, Task, Work
from pipeline.execution.threads import num_threads

BACKENDS = ("auto", "loky", "threading", "dask")


@dataclass(frozen=True)
class Workers:
    """Where tasks run, and how many at a time.

    Raises:
        SettingError: The backend is unknown, the count is not positive, or Dask and its address are not given together.
    """

    backend: str = "auto"
    """`loky`: processes of this machine; `threading`: threads of this process; `dask`: a cluster; `auto`: the caller chooses."""

    count: int | None = None
    """Number of workers; None: one per core, or all of a cluster."""

    scheduler: str | None = None
    """Address of Dask's scheduler, such as `tcp://head:8786`."""

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise SettingError(f"The backend is one of {BACKENDS}. Received: {self.backend!r}.")
        if self.count is not None and self.count < 1:
            raise SettingError(f"The number of workers is positive. Received: {self.count}.")
        if (self.scheduler is not None) != (self.backend == "dask"):
            raise SettingError(
                "A Dask cluster needs both --backend dask and --scheduler tcp://HOST:8786. "
                f"Received: --backend {self.backend}, --scheduler {self.scheduler}."
            )

    def run(
        self,
        function: Callable[..., Result],
        tasks: Sequence[Task],
        *,
        share: Sequence[Any] = (),
        pack: Callable[[Task], Any] | None = None,
        alone: bool = False,
    ) -> Iterator[tuple[Task, Result | Lost]]:
        """Yield each task with its result as soon as it is finished, in any order.

        When a worker dies, the task that it was running comes back as `Lost.LOST`. loky then also ends its other processes,
        so their tasks come back as lost too. So do the tasks of a worker of a cluster that was not heard of for two minutes.

        Args:
            function: See `pipeline.execution.tasks.Work`.
            tasks: The tasks.
            share: Values that all tasks need.
            pack: Makes what is sent in place of a task; None: send the task.
            alone: Run a single task at a time, each in another process, so that only the task itself can have killed
                its worker.

        Raises:
            ClusterError: The scheduler does not answer or is lost, a member lacks this package, or there was no worker for too long.
            MissingExtraError: Dask is not installed.
        """
        for part in ([task] for task in tasks) if alone else [tasks]:
            yield from self._run(Work(function, part, share, pack or _unchanged), alone=alone)

    def _run(self, work: Work[Task, Result], *, alone: bool) -> Iterator[tuple[Task, Result | Lost]]:
        count = self.count or num_threads()
        if self.scheduler is not None:
            return run_on_cluster(work, address=self.scheduler, count=self.count)
        if self.backend != "threading" and (count > 1 or alone):
            return run_in_processes(work, count=count)
        return run_in_threads(work, count=count)


def _unchanged(task: Task) -> Task:
    return task
