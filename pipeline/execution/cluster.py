"""Tasks on a Dask cluster that is already running, through joblib."""

import contextlib
import importlib.util
import os
import socket
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from pipeline.errors import ClusterError, MissingExtraError
from pipeline.execution.tasks import Lost, Result, Task
from pipeline.execution.threads import num_cores, take_share

_CONNECT_SECONDS, _WORKERS_SECONDS = 15, 300


def run_on_cluster(
    function: Callable[..., Result],
    tasks: Sequence[Task],
    share: Sequence[Any],
    pack: Callable[[Task], Any],
    *,
    address: str,
    count: int | None,
) -> Iterator[tuple[Task, Result | Lost]]:
    """Run tasks on a cluster; see `Workers.run`.

    Args:
        function: See `Workers.run`, as for the next three.
        tasks: The tasks.
        share: Values that all tasks need.
        pack: Makes what is sent from a task.
        address: Of the scheduler.
        count: Number of tasks that are sent ahead; None: two per worker.

    Raises:
        ClusterError: The scheduler does not answer, or its workers lack this package.
        MissingExtraError: Dask is not installed.
    """
    import joblib

    with _connect(address) as client:
        call = partial(_run_once, function, _max_workers_per_machine(client), uuid.uuid4().hex)
        sent = client.scatter(list(share), broadcast=True, hash=False) if share else []
        with joblib.parallel_config(backend=_joblib_backend(client)):
            parallel = joblib.Parallel(
                n_jobs=-1,
                pre_dispatch=count or "2 * n_jobs",
                batch_size=1,
                return_as="generator_unordered",
            )
            for number, result in parallel(
                joblib.delayed(call)(number, pack(task), *sent) for number, task in enumerate(tasks)
            ):
                yield tasks[number], result


def worker_name() -> str:
    """Name of the worker that runs this task, for messages: its address in a Dask cluster, otherwise its process."""
    if "distributed" in sys.modules:
        with contextlib.suppress(ValueError):  # Dask is imported, but this is not one of its tasks
            return str(sys.modules["distributed"].get_worker().address)
    return f"process {os.getpid()} on {socket.gethostname()}"


def _run_once(
    function: Callable[..., Result], neighbours: int, job: str, number: int, *arguments: Any
) -> tuple[int, Result | Lost]:
    """Run a task unless it was begun before.

    Dask gives the task of a dead worker to the next one. That must not die of it too, so the task comes back as lost.
    """
    from distributed import Event

    take_share(max(1, num_cores() // neighbours))
    begun = Event(f"{job}-{number}")
    if begun.is_set():
        return number, Lost.LOST
    begun.set()
    result = function(*arguments)
    begun.clear()
    return number, result


@contextlib.contextmanager
def _connect(address: str) -> Iterator[Any]:
    """A client of a cluster whose workers have this package, in this version."""
    if importlib.util.find_spec("distributed") is None:
        raise MissingExtraError("Dask needs its package: pip install 'bottleneck-pipeline[dask]'.")
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"No Dask scheduler answers at {address}: {error}") from error
    with client:
        _check_versions(client, address)
        yield client


def _check_versions(client: Any, address: str) -> None:
    try:
        versions = set(client.run(_version).values())
    except ImportError as error:
        raise ClusterError(f"A worker of {address} lacks this package; install it there: {error}") from error
    if versions - {_version()}:
        raise ClusterError(
            f"The workers of {address} have version {', '.join(sorted(versions))} of bottleneck-pipeline, "
            f"this is {_version()}. Install the same version everywhere."
        )


def _version() -> str:
    import pipeline

    return pipeline.__version__


def _joblib_backend(client: Any) -> Any:
    """Joblib's backend for a cluster. joblib would leave a cluster of a single thread idle and run everything here."""
    from joblib._dask import DaskDistributedBackend

    class Cluster(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: int = 1) -> int:
            return max(2, int(super().effective_n_jobs(n_jobs)))

    return Cluster(client=client, wait_for_workers_timeout=_WORKERS_SECONDS)


def _max_workers_per_machine(client: Any) -> int:
    """Number of workers on the machine that has the most; each takes this share of its cores."""
    hosts = Counter(worker["host"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
    return max(hosts.values(), default=1)
