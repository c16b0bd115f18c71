"""Adapters for the libraries of Google and Azure, so that waiting and failing are the same for all providers."""

import os
from collections.abc import AsyncGenerator
from typing import Any

from pipeline.images.remote.addresses import PROTOCOLS

RANGE_BYTES = 2**24
"""Objects are read in ranges of so many bytes: their libraries give a range in one piece, when all of it is there."""


def google_class(made: Any) -> Any:
    """The file system of Google that asks once, and over HTTP alone.

    The one that fsspec finds asks by gRPC of what kind a bucket is: where that is not answered (an emulator, no right to it, no
    credentials) again before each object. It also tries again for a minute, and logs a traceback, where `patiently` decides.

    Args:
        made: The class that fsspec finds.
    """
    core = next((kind for kind in made.__mro__ if kind.__module__ == "gcsfs.core"), made)
    ask = getattr(core._request, "__wrapped__", core._request)  # noqa: SLF001 below its decorator

    class Google(core):  # type: ignore[misc, valid-type]
        async def _request(self, *args: Any, **kwargs: Any) -> Any:
            try:
                return await ask(self, *args, **kwargs)
            except FileNotFoundError as error:  # its text is the address that was asked
                raise FileNotFoundError("status 404") from error
            except OSError as error:
                what, _, words = str(error).partition("\n")
                if what.startswith("Forbidden"):
                    raise PermissionError(words or "status 403") from error
                raise

    return Google


def google_options() -> dict[str, Any]:
    """How it is made. An emulator needs no credentials, and must not be sent any."""
    is_emulator = os.environ.get("STORAGE_EMULATOR_HOST", "") not in ("", "default")
    return {"use_listings_cache": False} | ({"token": "anon"} if is_emulator else {})


def tame(fs: Any, protocol: str) -> None:
    """Let a file system of Azure ask once. It would wait for 15 s and more between its tries."""
    policy = getattr(getattr(getattr(fs, "service_client", None), "_config", None), "retry_policy", None)
    if PROTOCOLS[protocol] == "azure" and policy is not None:
        policy.total_retries = 0


async def azure_entries(fs: Any, path: str) -> AsyncGenerator[dict[str, Any], None]:
    """The blobs whose names begin with a path and a slash, as they come.

    The library's own way fails where a blob has the name of the folder, as some tools leave one for each folder.
    """
    container, key, _ = fs.split_path(path)
    async with fs.service_client.get_container_client(container=container) as client:
        async for blob in client.list_blobs(name_starts_with=f"{key}/" if key else None, include=["metadata"]):
            is_folder = (blob.metadata or {}).get("hdi_isfolder") == "true"
            yield {
                "name": f"{container}/{blob.name}",
                "type": "directory" if is_folder else "file",
                "size": blob.size,
                "etag": blob.etag,
                "last_modified": blob.last_modified,
            }


def is_anonymous(fs: Any) -> bool:
    """Whether a file system has no credentials, so that it can read public objects alone."""
    return getattr(fs, "anon", None) is True or getattr(getattr(fs, "credentials", None), "method", None) == "anon"


async def in_ranges(fs: Any, path: str) -> AsyncGenerator[bytes, None]:
    """The content of an object in pieces of at most `RANGE_BYTES`.

    Raises:
        OSError: It changed meanwhile.
        Exception: Of the library.
    """
    piece = await _range(fs, path, 0)
    yield piece
    if len(piece) < RANGE_BYTES:
        return
    before, start = await fs._info(path), len(piece)  # noqa: SLF001 the coroutine
    while start < before["size"]:
        piece = await _range(fs, path, start)
        if not piece:
            break
        start += len(piece)
        yield piece
    after = await fs._info(path)  # noqa: SLF001
    if start != before["size"] or any(before.get(name) != after.get(name) for name in ("size", "etag", "generation")):
        raise OSError("it changed while it was read")


async def _range(fs: Any, path: str, start: int) -> bytes:
    try:
        return bytes(await fs._cat_file(path, start, start + RANGE_BYTES))  # noqa: SLF001
    except Exception as error:  # a library's
        if (
            getattr(error, "code", getattr(error, "status_code", None)) == 416 and start == 0
        ):  # no byte is in the object
            return b""
        raise
