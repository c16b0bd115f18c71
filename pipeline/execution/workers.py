"""Where tasks run: in other processes of this machine, or on a Dask cluster that is there; both through joblib."""

import contextlib
import enum
import importlib.util
import multiprocessing
import os
import socket
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pipeline.errors import ClusterError, MissingExtraError, SettingError, WorkerDiedError
from pipeline.quiet import quiet_tensorflow

BACKENDS = ("auto", "loky", "threading", "dask")
_CONNECT_SECONDS, _WORKERS_SECONDS = 15, 300

Task = TypeVar("Task")
Result = TypeVar("Result")


class Lost(enum.Enum):
    """In the place of a result: the worker of a task died, and whether the task killed it is not known."""

    LOST = "lost"


@dataclass(frozen=True)
class Workers:
    """Who works.

    Raises:
        SettingError: An unknown backend, or an address without Dask, or Dask without one.
    """

    backend: str = "auto"
    """`loky`: processes of this machine; `threading`: threads of this process; `dask`: a cluster; `auto`: whoever asks decides."""

    count: int | None = None
    """How many; default: one a core, and all of a cluster."""

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
        """Each task with its result as soon as it is there, in any order.

        A worker that dies costs the task that it worked on, which comes back as `Lost.LOST`. (loky ends its other
        processes too, so theirs do as well.)

        Args:
            function: Takes a task, and what is shared. Pickled by its name; it sees `num_threads()` as its share of the machine.
            tasks: What to work on.
            share: What all tasks need, sent once to each worker.
            pack: Makes of a task what is sent, when a worker is nearly free; default: the task as it is.
            alone: One at a time, so that no other task can be what kills its worker.

        Raises:
            ClusterError: The scheduler does not answer, or its workers lack this package.
            MissingExtraError: Dask is not installed.
        """
        run = self._run_dask if self.backend == "dask" else partial(self._run_here, alone=alone)
        for part in ([task] for task in tasks) if alone else [tasks]:
            yield from run(function, part, share, pack or _as_it_is)

    def _run_here(
        self,
        function: Callable[..., Result],
        tasks: Sequence[Task],
        share: Sequence[Any],
        pack: Callable[[Task], Any],
        *,
        alone: bool,
    ) -> Iterator[tuple[Task, Result | Lost]]:
        """In processes or threads of this machine."""
        import joblib

        count = self.count or num_threads()
        is_other = self.backend != "threading" and (count > 1 or alone)
        call = partial(_in_process, function, max(1, num_threads() // count)) if is_other else function
        # joblib takes a few more than it sends; those come back as lost too, and cost nothing.
        waiting, running = list(enumerate(tasks))[::-1], dict[int, Task]()

        def dispatch() -> Iterator[Any]:
            while waiting:
                number, task = waiting.pop()
                running[number] = task
                yield joblib.delayed(_numbered)(call, number, pack(task), *share)

        with _safe_path():
            while waiting:
                # Two processes where one is wanted: joblib runs a single one in this process.
                parallel = joblib.Parallel(
                    n_jobs=max(2, count) if is_other else count,
                    backend="threading" if self.backend == "threading" else "loky",
                    pre_dispatch=count,
                    batch_size=1,
                    return_as="generator_unordered",
                )
                try:
                    for number, result in parallel(dispatch()):
                        yield running.pop(number), result
                except BrokenProcessPool:
                    yield from ((task, Lost.LOST) for task in running.values())
                    running.clear()

    def _run_dask(
        self,
        function: Callable[..., Result],
        tasks: Sequence[Task],
        share: Sequence[Any],
        pack: Callable[[Task], Any],
    ) -> Iterator[tuple[Task, Result | Lost]]:
        """On a cluster."""
        import joblib

        with _connect(str(self.scheduler)) as client:
            call = partial(_on_cluster, function, _most_on_a_machine(client), uuid.uuid4().hex)
            sent = client.scatter(list(share), broadcast=True, hash=False) if share else []
            with joblib.parallel_config(backend=_backend(client)):
                parallel = joblib.Parallel(
                    n_jobs=-1,
                    pre_dispatch=self.count or "2 * n_jobs",
                    batch_size=1,
                    return_as="generator_unordered",
                )
                for number, result in parallel(
                    joblib.delayed(_numbered)(partial(call, number), number, pack(task), *sent)
                    for number, task in enumerate(tasks)
                ):
                    yield tasks[number], result


def run_apart(function: Callable[..., Result], *arguments: Any) -> Result:
    """The result of a call in a process of its own, which has all cores, and ends with it: its memory is no one else's.

    Args:
        function: Pickled by its name.
        arguments: Pickled.

    Raises:
        WorkerDiedError: The process was killed.
    """
    context = multiprocessing.get_context("spawn")
    with _safe_path(), ProcessPoolExecutor(1, mp_context=context, initializer=quiet_tensorflow) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise WorkerDiedError(
                "The process that was to be measured was killed; most often memory runs out. Try a smaller --batch-size."
            ) from error


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Processes that are started meanwhile import nothing from the current folder, where a `json.py` may lie beside the data.

    loky and multiprocessing start Python with `-m` and `-c`, which put that folder first, and pass on the path of this
    process, where a notebook or prompt has it as "". It stays there if this package itself is imported from it.
    """
    path, setting = list(sys.path), os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    if Path(__file__).resolve().parents[1] != Path.cwd():
        sys.path[:] = filter(None, path)
    try:
        yield
    finally:
        sys.path[:] = path
        if setting is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = setting


_share: list[int] = []
"""Threads of this process, if it is a worker."""


def num_threads() -> int:
    """Threads that this process may keep busy: its share where it is a worker, otherwise one a core."""
    return _share[0] if _share else _num_cores()


def is_worker() -> bool:
    """Whether this process shares its machine with others of the same job."""
    return bool(_share)


def worker_name() -> str:
    """What messages call the worker that runs this task: its address in a Dask cluster, otherwise its process."""
    if "distributed" in sys.modules:
        with contextlib.suppress(ValueError):  # Dask is loaded, and this is not one of its tasks
            return str(sys.modules["distributed"].get_worker().address)
    return f"process {os.getpid()} on {socket.gethostname()}"


def _num_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _take_share(threads: int) -> None:
    """Let this process use so many threads; TensorFlow looks when it is loaded."""
    quiet_tensorflow()
    _share[:] = [threads]
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(threads))


def _as_it_is(task: Task) -> Task:
    return task


def _numbered(call: Callable[..., Result], number: int, *arguments: Any) -> tuple[int, Result]:
    return number, call(*arguments)


def _in_process(function: Callable[..., Result], threads: int, *arguments: Any) -> Result:
    _take_share(threads)
    return function(*arguments)


def _on_cluster(
    function: Callable[..., Result], neighbours: int, job: str, number: int, *arguments: Any
) -> Result | Lost:
    """A task that has been begun before has cost a worker: Dask hands it to the next, which must not die of it as well."""
    from distributed import Event

    _take_share(max(1, _num_cores() // neighbours))
    begun = Event(f"{job}-{number}")
    if begun.is_set():
        return Lost.LOST
    begun.set()
    result = function(*arguments)
    begun.clear()
    return result


@contextlib.contextmanager
def _connect(address: str) -> Iterator[Any]:
    """A client whose workers have this package, in this version."""
    if importlib.util.find_spec("distributed") is None:
        raise MissingExtraError("Dask needs its package: pip install 'bottleneck-pipeline[dask]'.")
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ClusterError(f"No scheduler of Dask answers at {address}: {error}") from error
    with client:
        try:
            versions = set(client.run(_version).values())
        except ImportError as error:
            raise ClusterError(f"A worker of {address} lacks this package; install it there: {error}") from error
        if versions - {_version()}:
            raise ClusterError(
                f"The workers of {address} have version {', '.join(sorted(versions))} of bottleneck-pipeline, "
                f"this is {_version()}: install the same everywhere."
            )
        yield client


def _backend(client: Any) -> Any:
    """Joblib's way to a cluster, also to one with a single thread, which joblib would leave idle and work here instead."""
    from joblib._dask import DaskDistributedBackend

    class Cluster(DaskDistributedBackend):  # type: ignore[misc]
        def effective_n_jobs(self, n_jobs: int = 1) -> int:
            return max(2, int(super().effective_n_jobs(n_jobs)))

    return Cluster(client=client, wait_for_workers_timeout=_WORKERS_SECONDS)


def _version() -> str:
    import pipeline

    return pipeline.__version__


def _most_on_a_machine(client: Any) -> int:
    """Workers of the machine that has the most of them: each takes this share of its cores."""
    hosts = Counter(worker["host"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
    return max(hosts.values(), default=1)
