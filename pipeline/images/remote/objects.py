"""The images of a data set that are objects of buckets or web servers: fetched many at a time, each of them once if it fits into the spool."""

import asyncio
import hashlib
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from pipeline.errors import UnreachableDataError
from pipeline.images.decoding.decoder import MAX_BYTES
from pipeline.images.files.hashing import RACY_NS, FileHashes
from pipeline.images.remote import fetch as fetching
from pipeline.images.remote.addresses import PROTOCOLS, protocol_of, shown
from pipeline.images.remote.arrivals import Arrival, Arrivals, WhileFetching
from pipeline.images.remote.fetch import MANY, FetchError, Version, fetch, has_version, look
from pipeline.images.remote.filesystems import DENIED, SERVER, FileSystem, explain, open_filesystem
from pipeline.images.remote.loop import prompt, running, start
from pipeline.images.remote.spool import Spool
from pipeline.progress import progress_bar

_HELD_BYTES = 2**28
"""Bytes of objects that were fetched ahead and are not read yet, from which on no more are fetched ahead."""

_PAUSE_SECONDS = 0.02
_IN_THREAD_BYTES = 2**20
"""Larger objects are hashed in a thread of their own, so that the others need not wait."""


class Systems:
    """The file systems of URLs, each opened once."""

    def __init__(self) -> None:
        self._open: dict[str, FileSystem] = {}

    def of(self, url: str) -> FileSystem:
        """The file system of a URL; raises the errors of `open_filesystem`."""
        protocol = protocol_of(url)
        key = protocol
        if PROTOCOLS.get(protocol) == "azure":  # an account may stand in the address
            key = f"{protocol}://{url.partition('://')[2].partition('/')[0].partition('@')[2]}"
        if key not in self._open:
            self._open[key] = open_filesystem(url)
        return self._open[key]


class Objects:
    """A source of images (`pipeline.images.manifest.ImageBytes`), N objects by their positions.

    Args:
        urls: N URLs, whose protocols are read; one that occurs twice is fetched once.
        folder: Folder of the spool.
        spool_bytes: Its size at most.
        versions: Versions of the URLs, from listings.
        systems: File systems that are open already.

    Raises:
        MissingExtraError: A protocol needs an extra that is not installed.
    """

    def __init__(
        self,
        urls: Sequence[str],
        folder: Path,
        spool_bytes: int,
        *,
        versions: Mapping[str, Version] | None = None,
        systems: Systems | None = None,
    ) -> None:
        numbers = {url: number for number, url in enumerate(dict.fromkeys(urls))}
        self._numbers = [numbers[url] for url in urls]
        self._urls = list(numbers)
        self._versions = [(versions or {}).get(url, Version()) for url in self._urls]
        self._systems = systems or Systems()
        for url in self._urls:
            self._systems.of(url)
        self._spool = Spool(folder, spool_bytes)
        self._coming: dict[int, Future[bytes]] = {}
        self._held = 0
        self._failed = 0
        self._lock = threading.Lock()
        self._many: asyncio.Semaphore | None = None
        self._large: asyncio.Lock | None = None

    def read(self, position: int) -> bytes:
        """The bytes of an object: from the spool, or from its server.

        Raises:
            FetchError: It cannot be fetched.
            UnreachableDataError: The server does not give any of the last objects.
        """
        return self._read(self._numbers[position])

    def _read(self, number: int) -> bytes:
        with self._lock:
            coming = self._coming.pop(number, None)
        if coming is None:
            kept = self._spool.get(number)
            return start(self._fetch(number)).result() if kept is None else kept
        data = coming.result()
        with self._lock:
            self._held -= len(data)
        return data

    def _drop(self, number: int) -> None:
        """Forget an object that waits to be read."""
        with self._lock:
            if number in self._coming:
                self._held -= len(self._coming.pop(number).result())

    def announce(self, position: int) -> None:
        """Say that an object will be read soon: it is fetched meanwhile, beside others."""
        number = self._numbers[position]
        with self._lock:
            if number in self._spool or number in self._coming or self._held > _HELD_BYTES:
                return
            self._coming[number] = start(self._fetch_ahead(number))

    def digests(
        self, hashes: FileHashes, *, progress: bool, while_fetching: WhileFetching | None = None
    ) -> list[bytes | OSError]:
        """SHA-256 of each object, 32 bytes; the error instead for one that cannot be fetched.

        An object whose version is remembered is not fetched; where no listing gave the version, the server is asked for it.

        Args:
            hashes: Remembered digests and versions.
            progress: Show a bar.
            while_fetching: Is given the objects that are fetched, as they arrive.

        Raises:
            UnreachableDataError: The server gives none of them.
        """
        keys = [f"far:{shown(url)}" for url in self._urls]
        known = hashes.recall(keys)
        asked = [number for number, key in enumerate(keys) if key in known and self._versions[number].stamp is None]
        self._all(asked, self._look, "asking", progress=progress)
        found: dict[int, bytes | OSError] = {
            number: known[key][1]
            for number, key in enumerate(keys)
            if key in known and known[key][0] == self._versions[number].stamp
        }
        known_digests = [known[keys[number]][1] for number in found]
        missing = [number for number in range(len(keys)) if number not in found]

        arrivals = Arrivals(len(missing), known_digests, self._read, self._drop)

        async def take(number: int) -> None:
            try:
                data = await self._fetch(number)
                found[number] = digest = await _sha256(data)
                await self._hand_over(number, data, digest, arrivals)
            except FetchError as error:
                found[number] = error

        def work_meanwhile() -> None:
            try:
                if while_fetching is not None:
                    with prompt():
                        while_fetching(arrivals)
            finally:
                arrivals.close()

        now_ns = hashes.clock_ns()
        try:
            self._all(missing, take, "fetching", progress=progress, meanwhile=work_meanwhile, at_end=arrivals.end)
        finally:  # also of an interrupted scan: what was fetched is known at the next one
            self._remember(hashes, keys, {number: found[number] for number in missing if number in found}, now_ns)
        return [found[number] for number in self._numbers]

    def _remember(
        self, hashes: FileHashes, keys: Sequence[str], found: Mapping[int, bytes | OSError], now_ns: int
    ) -> None:
        hashes.remember(
            (keys[number], stamp, digest)
            for number, digest in found.items()
            if isinstance(digest, bytes)
            and (stamp := self._versions[number].stamp) is not None
            and self._versions[number].is_firm(now_ns, RACY_NS)
        )

    def _all(
        self,
        numbers: Sequence[int],
        work: Callable[[int], Coroutine[Any, Any, None]],
        what: str,
        *,
        progress: bool,
        meanwhile: Callable[[], None] = lambda: None,
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Run a coroutine function for each of these objects, many at a time.

        Args:
            numbers: The objects.
            work: The function.
            what: For the bar, which is shown when `meanwhile` has returned.
            progress: Show a bar.
            meanwhile: Runs in this thread beside them.
            at_end: Runs when all have ended, or one has failed.
        """
        if not numbers:
            return
        waiting = iter(numbers)
        done = 0

        async def go_on() -> None:
            nonlocal done
            for number in waiting:
                await work(number)
                done += 1

        async def all_of_them() -> None:
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(MANY, len(numbers))):
                        group.create_task(go_on())
            finally:
                at_end()

        try:
            with running(all_of_them()) as result:
                meanwhile()
                with progress_bar(desc=what, total=len(numbers), initial=done, unit="file", progress=progress) as bar:
                    result(lambda: bar.update(done - bar.n))
                    bar.update(len(numbers) - bar.n)
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def _look(self, number: int) -> None:
        try:
            url = self._urls[number]
            self._versions[number] = await look(self._systems.of(url), url)
        except FetchError:
            pass  # a server that does not answer HEAD: the object is fetched

    def _is_full(self, number: int) -> bool:
        return number not in self._spool and self._held > _HELD_BYTES

    async def _hand_over(self, number: int, data: bytes, digest: bytes, arrivals: Arrivals) -> None:
        """Pass an object on. If it is not in the spool, its bytes wait in memory, and the next objects until there is room."""
        while self._is_full(number) and not arrivals.is_over():  # noqa: ASYNC110 readers in other threads make room
            await asyncio.sleep(_PAUSE_SECONDS)
        if arrivals.is_over():
            return
        if not (is_kept := number in self._spool):
            kept = Future[bytes]()
            kept.set_result(data)
            with self._lock:
                self._coming[number] = kept
                self._held += len(data)
        arrivals.put(Arrival(number, digest), is_kept=is_kept)
        if arrivals.is_over():  # closed meanwhile
            self._drop(number)

    async def _fetch_ahead(self, number: int) -> bytes:
        data = await self._fetch(number)
        with self._lock:
            self._held += len(data)
        return data

    async def _fetch(self, number: int) -> bytes:
        """An object, put into the spool.

        Raises:
            FetchError: It cannot be fetched.
            UnreachableDataError: Neither could any of the last ones.
        """
        if self._many is None or self._large is None:
            self._many, self._large = asyncio.Semaphore(MANY), asyncio.Lock()
        url = self._urls[number]
        if self._versions[number].stamp is None and not has_version(self._systems.of(url)):
            await self._look(number)
        listed = self._versions[number]
        try:
            async with self._many:
                data, version = await fetch(
                    self._systems.of(url), url, at_most=MAX_BYTES, expected=listed.size, large=self._large
                )
        except FetchError as error:
            self._note(error, url)
            raise
        self._failed = 0
        if listed.stamp is None:
            self._versions[number] = Version(len(data), version.tag, version.mtime_ns)
        self._spool.put(number, data)
        return data

    def _note(self, error: FetchError, url: str) -> None:
        """Give the server up after many failures without a success: the reason is not in the objects."""
        self._failed = self._failed + 1 if error.kind in (SERVER, DENIED) else 0
        if self._failed >= fetching.PATIENCE.failures:
            raise UnreachableDataError(
                f"The last {self._failed} objects could not be fetched. {explain(error.__cause__ or error, url, self._systems.of(url))} "
                "Rows made so far are kept, and the same command goes on from there."
            ) from error

    def __repr__(self) -> str:
        """Without URLs: they may have secrets."""
        return f"<{len(self._numbers):,} objects>"


async def _sha256(data: bytes) -> bytes:
    if len(data) > _IN_THREAD_BYTES:
        return (await asyncio.to_thread(hashlib.sha256, data)).digest()
    return hashlib.sha256(data).digest()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error in a group of errors."""
    return next(_leaves(group))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
