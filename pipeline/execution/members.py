"""The members of a Dask cluster: its scheduler, and the workers that may get tasks.

A worker may get tasks if it has this package in this version, and is heard of. Both are asked again and again, since workers come, go
and stop while a job runs.
"""

import asyncio
import contextlib
import importlib.util
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pipeline.errors import ClusterError, MissingExtraError
from pipeline.version import __version__

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 15.0
"""Time for the scheduler to answer at first."""

ANSWER_SECONDS = 30.0
"""Time for each later answer of the scheduler, and of a worker that is asked for its version."""

WORKERS_SECONDS = 300.0
"""Time without any worker that may get tasks."""

SILENT_SECONDS = 120.0
"""Time without a sign of life after which the tasks of a worker are given to others. Workers report every few seconds."""

SHARE_SECONDS = 600.0
"""Time to send the workers what all tasks need."""

_TRIES = 10

# Evaluated by workers as it is, so that one without this package, or with an older version, can answer too.
_VERSION = "__import__('pipeline').__version__"


class Members:
    """A cluster that this process is connected to.

    Args:
        client: Of Dask.
        address: Of the scheduler.
    """

    def __init__(self, client: Any, address: str) -> None:
        self.client, self.address = client, address
        self.workers: dict[str, float] = {}
        """Seconds since each worker was heard of."""

        self.usable: frozenset[str] = frozenset()
        """Addresses of the workers that may get tasks."""

        self._scheduler: str | None = None
        self._versions: dict[str, str] = {}
        """Of the workers that have answered; what is wrong with those that lack the package."""

        self._heard: dict[str, tuple[float, float]] = {}
        """When the scheduler heard of each worker for the last time, and when this process was told so."""

        self._silent: frozenset[str] = frozenset()
        self._hosts: dict[str, str] = {}
        self._without_since: float | None = None
        self._num_failed = 0

    def start(self) -> None:
        """Look for the first time.

        Raises:
            ClusterError: The scheduler or workers lack this package, or have another version.
        """
        self._update()
        try:
            version = self.ask(partial(self.client.run_on_scheduler, eval, _VERSION))
        except (ImportError, AttributeError) as error:
            version = _missing(error)
        except OSError as error:
            raise self.lost(str(error)) from error
        wrong = {f"The scheduler {self.address}": version} if version != __version__ else {}
        wrong |= self._wrong()
        if wrong:
            raise ClusterError(
                f"{_list(wrong)} Install the same version of bottleneck-pipeline everywhere; this is {__version__}."
            )
        self._check_any()

    def look(self) -> None:
        """Find out which workers there are, and which of them may get tasks.

        Raises:
            ClusterError: The scheduler is lost, or there was no worker for too long.
        """
        self._update()
        self._check_any()

    def _update(self) -> None:
        if self._scheduler is not None and self.client.status != "running":
            raise self.lost("the connection broke")
        try:
            found = self.ask(lambda: self.client.scheduler.identity(n_workers=-1))
        except OSError as error:
            raise self.lost(str(error) or f"it does not answer within {ANSWER_SECONDS:.0f} s") from error
        if self._scheduler not in (None, found["id"]):
            raise self.lost("it was started anew")
        self._scheduler = found["id"]
        members = found["workers"]
        self._hosts = {address: member["host"] for address, member in members.items()}
        self.workers = self._silences({address: member["last_seen"] for address, member in members.items()})
        self._note_silent()
        self._ask_versions([name for name in members if name not in self._versions and name not in self._silent])
        own = __version__
        self.usable = frozenset(
            address for address in self.workers if address not in self._silent and self._versions.get(address) == own
        )

    def _silences(self, last_seen: Mapping[str, float]) -> dict[str, float]:
        """Seconds since each worker was heard of, from the scheduler's clock and from this one: all workers may be silent."""
        now, newest = time.monotonic(), max(last_seen.values(), default=0)
        for address, seen in last_seen.items():
            if self._heard.get(address, (None, 0))[0] != seen:
                self._heard[address] = (seen, now)
        return {address: max(newest - seen, now - self._heard[address][1]) for address, seen in last_seen.items()}

    def silent(self) -> frozenset[str]:
        """Addresses of the workers that were not heard of for `SILENT_SECONDS`."""
        return self._silent

    def most_per_machine(self) -> int:
        """Number of workers on the machine that has the most; each takes this share of its cores."""
        return max(Counter(self._hosts.values()).values(), default=1)

    def ask(self, question: Callable[[], Awaitable[Any]], seconds: float | None = None) -> Any:
        """The answer to a question that is asked in the client's thread.

        Raises:
            OSError: There is no answer in time, or a member is lost.
        """

        async def answer() -> Any:
            return await question()

        return self.client.sync(answer, callback_timeout=seconds or ANSWER_SECONDS)

    def send(self, data: Sequence[Any], *, broadcast: bool = False) -> list[Any] | None:
        """Send values to workers that may get tasks, or with `broadcast` to all of them; Dask's handle of each.

        Returns:
            None if there is no such worker, or one has died or stopped meanwhile. Then there was another look at the members.

        Raises:
            ClusterError: The scheduler is lost, or this has failed too often.
        """
        if not self.usable:
            return None
        where = {"workers": list(self.usable), "broadcast": broadcast}
        scatter = partial(self.client.scatter, list(data), hash=False, **where)
        try:
            sent: list[Any] = self.ask(scatter, SHARE_SECONDS if broadcast else SILENT_SECONDS)
        except (OSError, LookupError, ValueError) as error:  # what the scheduler raises if a worker is gone
            self.look()
            self._num_failed += 1
            if self._num_failed > _TRIES:
                raise ClusterError(f"The workers of {self.address} take no data: {error!r}.") from error
            return None
        self._num_failed = 0
        return sent

    def lost(self, reason: str) -> ClusterError:
        """The error of a scheduler that is lost."""
        return ClusterError(
            f"The Dask scheduler at {self.address} was lost while it had tasks: {reason}. What is finished is kept. "
            "Start it and its workers again, then run the same command."
        )

    def _ask_versions(self, addresses: Sequence[str]) -> None:
        """Ask workers for their version; those that do not answer are asked again at the next look."""
        if not addresses:
            return

        async def ask_one(address: str) -> Any:
            asked = self.client.run(eval, _VERSION, workers=[address], on_error="return")
            return (await asyncio.wait_for(asked, ANSWER_SECONDS)).get(address)

        async def ask_all() -> list[Any]:
            return await asyncio.gather(*map(ask_one, addresses), return_exceptions=True)

        own, answers = __version__, list[Any]([None] * len(addresses))
        with contextlib.suppress(OSError):
            answers = self.ask(ask_all, 2 * ANSWER_SECONDS)
        for address, version in zip(addresses, answers, strict=True):
            if isinstance(version, str):
                self._versions[address] = version
            elif isinstance(version, ImportError | AttributeError):
                self._versions[address] = _missing(version)
            if self.usable and self._versions.get(address, own) != own:
                logger.warning("%s It gets no tasks.", _list({f"Worker {address}": self._versions[address]}))

    def _note_silent(self) -> None:
        silent = frozenset(address for address, seconds in self.workers.items() if seconds > SILENT_SECONDS)
        for address in silent - self._silent:
            logger.warning(
                "Worker %s was not heard of for %.0f s. Its tasks are given to other workers. If it was stopped, end it.",
                address,
                self.workers[address],
            )
        self._silent = silent

    def _check_any(self) -> None:
        """Wait for a worker that may get tasks, with words, and not for ever."""
        now = time.monotonic()
        if self.usable:
            self._without_since = None
        elif self._without_since is None:
            self._without_since = now
            logger.warning(
                "The cluster at %s has no worker that can be used%s. Waiting %.0f s for one: `dask worker %s`.",
                self.address,
                f": {_list(self._wrong())}" if self._wrong() else "",
                WORKERS_SECONDS,
                self.address,
            )
        elif now - self._without_since > WORKERS_SECONDS:
            silent = "".join(f" Worker {address} was not heard of for a long time." for address in self.workers)
            raise ClusterError(
                f"The cluster at {self.address} had no worker that can be used for {WORKERS_SECONDS:.0f} s. "
                f"{_list(self._wrong()) or silent.strip()} What is finished is kept. Start workers with `dask worker {self.address}`, "
                "then run the same command."
            )

    def _wrong(self) -> dict[str, str]:
        own = __version__
        versions = {f"Worker {address}": self._versions.get(address, own) for address in self.workers}
        return {name: version for name, version in versions.items() if version != own}


@contextlib.contextmanager
def connected(address: str) -> Iterator[Members]:
    """The members of the cluster of a scheduler.

    Raises:
        ClusterError: The scheduler does not answer, or its workers lack this package.
        MissingExtraError: Dask is not installed.
    """
    if importlib.util.find_spec("distributed") is None:
        raise MissingExtraError("Dask needs its package: pip install 'bottleneck-pipeline[dask]'.")
    from distributed import Client

    with _quiet():
        try:
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ClusterError(f"No Dask scheduler answers at {address}: {error}") from error
        try:
            members = Members(client, address)
            members.start()
            yield members
        finally:
            client.close(timeout=2)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging tracebacks of what is reported here in words."""
    dask = logging.getLogger("distributed")
    usual = dask.level
    dask.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        dask.setLevel(usual)


def _list(wrong: Mapping[str, str]) -> str:
    """A sentence for each member."""
    return " ".join(
        f"{name} has {version if version.startswith('no ') else f'version {version}'}."
        for name, version in sorted(wrong.items())
    )


def _missing(error: Exception) -> str:
    return f"no bottleneck-pipeline ({error})"
