"""One object from a server: bounded in bytes and time, and tried again while the server fails."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pipeline.images.files.hash_table import Stamp
from pipeline.images.remote.addresses import PROTOCOLS, is_web, sendable
from pipeline.images.remote.filesystems import DENIED, MISSING, SERVER, FileSystem, kind_of, words_of
from pipeline.images.remote.providers import in_ranges
from pipeline.images.remote.signing import ELSEWHERE, REGION

MANY = 64
"""Objects that are fetched at a time."""

_CHUNK_BYTES = 2**18
_SMALL_BYTES = 2**24
"""Of objects that are larger only one is in memory at a time."""

_MOST_REDIRECTS = 10
_63_BITS = 2**63 - 1


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for."""

    tries: int = 4
    wait_seconds: float = 0.3
    """Before the second try; twice as long before each further one."""

    seconds: float = 60
    """For one object, and a second more for each `bytes_per_second` that have come."""

    bytes_per_second: float = 20_000
    failures: int = 24
    """Objects that fail one after the other until the server is given up."""


PATIENCE = Patience()


class FetchError(OSError):
    """An object that was not fetched; the words are the reason why an image is skipped."""

    def __init__(self, words: str, kind: str) -> None:
        super().__init__(words)
        self.kind = kind


class StatusError(OSError):
    """A web server answered with a status that is not 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


@dataclass(frozen=True)
class Version:
    """A version of an object, from a listing or an answer: it changes when the object does."""

    size: int | None = None
    tag: str = ""
    """ETag, version or checksum; empty if there is none."""

    mtime_ns: int = 0
    """When it was written, in ns since 1970; 0 if that is not known."""

    @property
    def stamp(self) -> Stamp | None:
        """It stands for the stamp of a file in the table of remembered hashes; None if nothing would show a change."""
        if self.size is None or not (self.tag or self.mtime_ns):
            return None
        digest = hashlib.sha256(self.tag.encode()).digest() if self.tag else bytes(16)
        first, second = (int.from_bytes(digest[start : start + 8], "big") & _63_BITS for start in (0, 8))
        return (self.size, self.mtime_ns, first, second)

    def is_firm(self, now_ns: int, racy_ns: int) -> bool:
        """Whether an object that is written again would have another stamp: by its tag, or by a time that is not just now."""
        return self.stamp is not None and (bool(self.tag) or self.mtime_ns < now_ns - racy_ns)


def version_of(details: Mapping[str, Any]) -> Version:
    """The version in the details that fsspec's file systems give."""
    # One of them, since a listing and an answer do not give the same ones.
    names = ("ETag", "etag", "generation", "md5Hash", "content_md5", "VersionId")
    tag = next((str(details[name]).strip('"') for name in names if details.get(name)), "")
    size = details.get("size", details.get("ContentLength"))
    times = (details.get(name) for name in ("LastModified", "mtime", "last_modified", "updated"))
    return Version(int(size) if size is not None else None, tag, next(filter(None, map(_ns, times)), 0))


def _ns(moment: object) -> int:
    """A time in ns, in whole seconds: listings say more of it than answers do."""
    if isinstance(moment, datetime):
        return int(moment.timestamp()) * 10**9
    if isinstance(moment, str):
        with contextlib.suppress(ValueError, TypeError, OverflowError):
            return int(parsedate_to_datetime(moment).timestamp()) * 10**9
        with contextlib.suppress(ValueError, OverflowError):
            return int(datetime.fromisoformat(moment).timestamp()) * 10**9
    return 0


async def fetch(
    system: FileSystem, url: str, *, at_most: int, expected: int | None = None, large: asyncio.Lock | None = None
) -> tuple[bytes, Version]:
    """The bytes of an object, and its version as far as the answer says.

    Args:
        system: Where it is.
        url: Its URL.
        at_most: Bytes.
        expected: Its bytes as a listing says; None: not known.
        large: Held while a large object is in memory.

    Raises:
        FetchError: It cannot be fetched.
    """
    _check_size(expected or 0, at_most)
    pieces: list[bytes] = []

    async def read() -> Version:
        pieces.clear()
        return await fetch_into(pieces.append, system, url, at_most, large)

    version = await patiently(read)
    data = b"".join(pieces)
    if expected is not None and len(data) != expected:
        raise FetchError(
            f"it has {len(data):,} bytes, and the listing says {expected:,}: it changed meanwhile", "changed"
        )
    return data, version


async def patiently(read: Callable[[], Any]) -> Any:
    """What a coroutine function returns, tried again while the server fails.

    Raises:
        FetchError: The last try failed.
    """
    for tried in range(PATIENCE.tries):
        try:
            return await read()
        except FetchError:
            raise
        except Exception as error:  # any of the libraries
            kind = kind_of(error)
            if kind != SERVER or tried == PATIENCE.tries - 1:
                raise FetchError(_reason(kind, error), kind) from error
        await asyncio.sleep(PATIENCE.wait_seconds * 2**tried)
    raise AssertionError


def _reason(kind: str, error: BaseException) -> str:
    """Why an object is skipped, after "cannot be read: "."""
    words = words_of(error)
    start = {
        MISSING: "it does not exist, or not any more",
        DENIED: "access is denied",
        SERVER: f"the server fails, {PATIENCE.tries} times",
    }.get(kind)
    return words if start is None else f"{start} ({words})"


async def fetch_into(
    write: Callable[[bytes], object], system: FileSystem, url: str, at_most: int, large: asyncio.Lock | None = None
) -> Version:
    """Write the bytes of an object piece by piece; one try.

    Raises:
        FetchError: It has too many bytes.
        Exception: Of any of the libraries.
    """
    loop, received, version = asyncio.get_running_loop(), 0, Version()
    start = loop.time()
    async with contextlib.AsyncExitStack() as held:
        try:
            async with asyncio.timeout(PATIENCE.seconds) as limit:
                source = _web_pieces(system, url) if is_web(url) else _pieces(system, url)
                async with contextlib.aclosing(source) as pieces:
                    async for piece in pieces:
                        if isinstance(piece, Version):
                            version = piece
                            _check_size(version.size or 0, at_most)
                            continue
                        received += len(piece)
                        _check_size(received, at_most)
                        if large is not None and received > _SMALL_BYTES:
                            await held.enter_async_context(large)
                            large, start = None, loop.time()
                        write(piece)
                        limit.reschedule(start + PATIENCE.seconds + received / PATIENCE.bytes_per_second)
        except TimeoutError as error:
            raise TimeoutError(f"{received:,} bytes came in {loop.time() - start:.0f} s") from error
    return version


def _check_size(size: int, at_most: int) -> None:
    if size > at_most:
        raise FetchError(f"more than {at_most:,} bytes, which is the limit", "large")


async def _web_pieces(system: FileSystem, url: str) -> AsyncGenerator[Any, None]:
    """The version of a web server's answer, and its body in pieces. fsspec would read a body without end into memory."""
    session = await system.web.set_session()
    async with session.get(system.web.encode_url(sendable(url)), max_redirects=_MOST_REDIRECTS) as answer:
        _check_answer(answer, url)
        yield web_version(answer.headers)
        async for piece in answer.content.iter_chunked(_CHUNK_BYTES):
            yield piece


def _check_answer(answer: Any, url: str) -> None:
    """Refuse an answer that is not the object: another status, or one that came without encryption although it was asked for."""
    if answer.status != 200:
        raise StatusError(answer.status)
    if url.lower().startswith("https:") and any(step.url.scheme != "https" for step in (*answer.history, answer)):
        raise FetchError("it is redirected from https to http", "other")


def web_version(headers: Mapping[str, str]) -> Version:
    """The version in the headers of an answer."""
    size = headers.get("Content-Length", "")
    tag = headers.get("ETag", "").strip('"')
    return Version(int(size) if size.isdecimal() else None, tag, _ns(headers.get("Last-Modified")))


async def _pieces(system: FileSystem, url: str) -> AsyncGenerator[Any, None]:
    """The version of an object of a bucket, where the answer has it, and its content in pieces, where its library can do that."""
    path = system.path_of(url)
    if PROTOCOLS[system.protocol] != "s3":
        async for piece in in_ranges(system.fs, path):
            yield piece
        return
    bucket, key, _ = system.fs.split_path(path)
    async with contextlib.aclosing(_signed_pieces(system, bucket, key)) as pieces:
        is_given = False
        async for piece in pieces:
            is_given = True
            yield piece
    if is_given:
        return
    answer = await system.fs._call_s3("get_object", Bucket=bucket, Key=key)  # noqa: SLF001
    try:
        yield version_of(answer)
        while piece := await answer["Body"].read(_CHUNK_BYTES):
            yield piece
    finally:
        answer["Body"].close()


async def _signed_pieces(system: FileSystem, bucket: str, key: str) -> AsyncGenerator[Any, None]:
    """As `_web_pieces`, for an object of S3 by a URL that its library signs; nothing if the answer is not the object.

    A call of the library takes three times as much of the processor, most of it for reading what the answer says. It is made where the
    short way does not lead to the object, for its redirects and its errors.
    """
    signer = await system.signers.of(system.fs, bucket)
    url = await signer.url(key)
    session = await system.web.set_session()
    async with session.get(system.web.encode_url(url), allow_redirects=False) as answer:
        if answer.status == 200:
            yield web_version(answer.headers)
            async for piece in answer.content.iter_chunked(_CHUNK_BYTES):
                yield piece
        elif answer.status in ELSEWHERE:
            system.signers.forget(bucket, signer, answer.headers.get(REGION, ""))


def has_version(system: FileSystem) -> bool:
    """Whether an answer with an object has its version; otherwise it has to be asked for."""
    return PROTOCOLS[system.protocol] in ("", "s3")


async def look(system: FileSystem, url: str) -> Version:
    """The version of an object, without its content.

    Raises:
        FetchError: The server does not say it.
    """

    async def ask() -> Version:
        async with asyncio.timeout(PATIENCE.seconds):
            if not is_web(url):
                return version_of(await system.fs._info(system.path_of(url)))  # noqa: SLF001
            session = await system.web.set_session()
            async with session.head(
                system.web.encode_url(sendable(url)), allow_redirects=True, max_redirects=_MOST_REDIRECTS
            ) as answer:
                _check_answer(answer, url)
                return web_version(answer.headers)

    found: Version = await patiently(ask)
    return found
