"""A shared cache in a bucket, or on a web server, which can only be read."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from pipeline.cache.shared.layout import STORE_NAME, Check, nothing
from pipeline.errors import (
    DamagedStoreError,
    DataNotFoundError,
    SettingError,
    UnreachableDataError,
    UnwritableStoreError,
)
from pipeline.images.remote.addresses import is_web, join, shown, without_secrets
from pipeline.images.remote.fetch import PATIENCE, FetchError, fetch, fetch_into, patiently
from pipeline.images.remote.filesystems import DENIED, MISSING, FileSystem, explain, open_filesystem
from pipeline.images.remote.listing import list_below
from pipeline.images.remote.loop import wait

_T = TypeVar("_T")
_GO_ON = "Run the command again later: it goes on where it stopped."


class SharedObjects:
    """Objects below a URL.

    Args:
        url: It may have credentials in it, which are never shown.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._system: FileSystem = open_filesystem(url)
        self._all: dict[str, int | None] | None = None

    @property
    def shown(self) -> str:
        """The URL without secrets."""
        return shown(self._url)

    def stores(self) -> list[str]:
        """Names below the URL that can be stores; the listing is kept for `list`.

        Raises:
            UnreachableDataError: The server fails, or denies access.
        """
        self._all = self._below(self._url)
        return sorted({name for name in (path.partition("/")[0] for path in self._all) if STORE_NAME.fullmatch(name)})

    def list(self, store: str) -> dict[str, int | None]:
        """The objects of a store by their paths below the URL, with their sizes, where the server says them.

        Raises:
            UnreachableDataError: The server fails, or denies access.
        """
        if self._all is not None:
            return {path: size for path, size in self._all.items() if path.startswith(f"{store}/")}
        return {f"{store}/{path}": size for path, size in self._below(self._at(store)).items()}

    def _below(self, url: str) -> dict[str, int | None]:
        try:
            found = list_below(self._system, url)
        except DataNotFoundError:
            return {}
        return {path: version.size for path, version in found.versions.items()}

    def read(self, path: str, at_most: int) -> bytes:
        """The bytes of a small object.

        Raises:
            FileNotFoundError: It does not exist.
            DamagedStoreError: It is larger.
            UnreachableDataError: The server fails, or denies access.
        """
        url = self._at(path)
        data, _ = self._wait(fetch(self._system, url, at_most=at_most), url)
        return data

    def receive(self, path: str, folder: Path, at_most: int, check: Check = nothing) -> Path:
        """Fetch a shard into a folder of this machine. `check` is called a few times per second, and ends that if it raises.

        Raises:
            FileNotFoundError, DamagedStoreError, UnreachableDataError: As in `read`.
        """
        url, target = self._at(path), folder / path.rpartition("/")[2]

        async def fetch_whole() -> None:
            with target.open("wb") as file:  # again from the beginning, if it is another try
                await fetch_into(file.write, self._system, url, at_most)

        self._wait(patiently(fetch_whole), url, check)
        return target

    def send(self, path: str, data: bytes, check: Check = nothing) -> None:
        """Write an object; it is whole whenever its name exists, as object stores have it.

        Raises:
            SettingError: A web server takes no objects.
            UnwritableStoreError: The server fails, or denies access.
        """
        url = self._at(path)
        if is_web(url):
            raise SettingError(
                f"{self.shown} can only be read. Give the bucket itself (s3://, gs://, az://) or a folder."
            )

        async def put() -> None:
            async with asyncio.timeout(PATIENCE.seconds + len(data) / PATIENCE.bytes_per_second):
                await self._system.fs._pipe_file(self._system.path_of(url), data)  # noqa: SLF001 the coroutine

        try:
            wait(patiently(put), check)
        except FetchError as error:
            cure = {MISSING: "Check the name of the bucket.", DENIED: self._system.cure}.get(error.kind, _GO_ON)
            raise UnwritableStoreError(
                f"{shown(url)} cannot be written: {without_secrets(str(error))}. {cure}"
            ) from error

    def _at(self, path: str) -> str:
        url = join(self._url.partition("?")[0], path)
        query = self._url.partition("?")[2] if is_web(self._url) else ""
        return f"{url}?{query}" if query else str(url)

    def _wait(self, work: Coroutine[Any, Any, _T], url: str, check: Check = nothing) -> _T:
        """The result of a fetch.

        Raises:
            FileNotFoundError, DamagedStoreError, UnreachableDataError: It failed.
        """
        try:
            return wait(work, check)
        except FetchError as error:
            raise self._error(error, url) from error

    def _error(self, error: FetchError, url: str) -> Exception:
        if error.kind == MISSING:
            return FileNotFoundError(f"{shown(url)} does not exist.")
        if error.kind == "large":
            return DamagedStoreError(f"{shown(url)} has {error}.")
        return UnreachableDataError(explain(error.__cause__ or error, url, self._system))
