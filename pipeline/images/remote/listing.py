"""What is below a URL: the objects of a bucket, or the pages of a web server that list files."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from pipeline.errors import DataLayoutError, DataNotFoundError, UnreachableDataError
from pipeline.images.remote.addresses import PROTOCOLS, is_web, shown
from pipeline.images.remote.fetch import FetchError, Version, fetch, patiently, version_of
from pipeline.images.remote.filesystems import DENIED, MISSING, FileSystem, explain
from pipeline.images.remote.loop import wait
from pipeline.images.remote.providers import azure_entries
from pipeline.images.summary import Skipped

MOST_OBJECTS = 4_000_000
"""Objects below a URL. A hostile server can list without end."""

_MOST_PAGES, _PAGE_BYTES, _DEEPEST = 20_000, 2**24, 32
_MOST_CHARACTERS = 1024
"""Of a name, as S3 and others have it."""


@dataclass
class Below:
    """The objects below a URL, by their paths relative to it."""

    versions: dict[str, Version] = field(default_factory=dict)
    """Versions by path; on a web server nothing is known of them."""

    urls: dict[str, str] = field(default_factory=dict)
    """URLs by path."""

    skipped: list[Skipped] = field(default_factory=list)
    """Objects with names that are no paths."""

    def add(self, path: str, url: str, version: Version) -> None:
        """Add an object; one whose name is no path is skipped.

        Raises:
            DataLayoutError: There are too many.
        """
        if len(self.versions) + len(self.skipped) >= MOST_OBJECTS:
            raise DataLayoutError(f"More than {MOST_OBJECTS:,} objects are listed. Give a folder with fewer.")
        if not path or path.endswith("/"):  # what some tools leave in the place of a folder
            return
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts) or not path.isprintable() or len(path) > _MOST_CHARACTERS:
            self.skipped.append(
                Skipped(ascii(path[:_MOST_CHARACTERS])[1:-1], "not a path: `..`, an empty or a hidden part of a name")
            )
        else:
            self.versions[path], self.urls[path] = version, url


def list_below(system: FileSystem, url: str) -> Below:
    """All objects below a URL.

    Raises:
        DataNotFoundError: There is nothing.
        UnreachableDataError: The server fails, or denies access.
        DataLayoutError: There are too many.
    """
    work = _list_pages(system, url) if is_web(url) else _list_bucket(system, url)
    try:
        return wait(work)
    except FetchError as error:
        wrong = DataNotFoundError if error.kind == MISSING else UnreachableDataError
        raise wrong(explain(error.__cause__ or error, url, system) + _listing_cure(error, url)) from error


def _listing_cure(error: FetchError, url: str) -> str:
    if error.kind != DENIED or is_web(url):
        return ""
    return " To list a bucket is a right of its own, beside reading its objects (s3:ListBucket, for example)."


async def _list_bucket(system: FileSystem, url: str) -> Below:
    """The objects of a bucket whose names begin with a path."""
    path = system.path_of(url).rstrip("/")

    async def read() -> Below:
        found = Below()
        head = url.partition("://")[0]
        place = url.partition("://")[2].partition("/")[0]
        bucket = path.partition("/")[0]
        async for details in _details(system, path):
            name = str(details["name"])
            if details.get("type") != "directory" and name.startswith(f"{path}/"):
                within = name.removeprefix(f"{bucket}/")
                found.add(name.removeprefix(f"{path}/"), f"{head}://{place}/{within}", version_of(details))
        return found

    found: Below = await patiently(read)
    if not found.versions and not found.skipped:
        raise FetchError("nothing is there", MISSING)
    return found


async def _details(system: FileSystem, path: str) -> AsyncIterator[dict[str, Any]]:
    """The file system's entry for each object below a path."""
    fs = system.fs
    if PROTOCOLS[system.protocol] == "s3":  # page by page, so that a listing without end is noticed
        bucket, key, _ = fs.split_path(path)
        async for entry in fs._iterdir(bucket, delimiter="", prefix=f"{key}/" if key else ""):  # noqa: SLF001
            yield entry
        return
    if PROTOCOLS[system.protocol] == "azure":
        async for entry in azure_entries(fs, path):
            yield entry
        return
    entries = await fs._find(path, detail=True)  # noqa: SLF001 the coroutine; its other name waits
    for entry in entries.values():
        yield entry


async def _list_pages(system: FileSystem, url: str) -> Below:
    """The files that the pages of a web server link to, below a URL."""
    root = url.partition("?")[0].partition("#")[0].rstrip("/") + "/"
    found, seen, waiting, query = Below(), {root}, [root], url.partition("?")[2]
    while waiting:
        page = waiting.pop()
        for link in await _links(system, f"{page}?{query}" if query else page):
            target = urljoin(page, link).partition("#")[0].partition("?")[0]
            path = unquote(target.removeprefix(root))
            if not target.startswith(root) or target in seen or urlsplit(target).netloc != urlsplit(root).netloc:
                continue
            seen.add(target)
            if not target.endswith("/"):
                found.add(path, target + (f"?{query}" if query else ""), Version())
            elif path.count("/") <= _DEEPEST:
                waiting.append(target)
            if len(seen) > MOST_OBJECTS or len(waiting) > _MOST_PAGES:
                raise DataLayoutError(
                    f"{shown(root)} lists more than {MOST_OBJECTS:,} files or {_MOST_PAGES:,} folders."
                )
    if not found.versions:
        raise FetchError("its pages link to no file below it", MISSING)
    return found


async def _links(system: FileSystem, page: str) -> list[str]:
    """What a page links to; nothing if it is no page."""
    data, _ = await fetch(system, page, at_most=_PAGE_BYTES)
    parser = _Links()
    parser.feed(data.decode(errors="replace"))
    return parser.links


class _Links(HTMLParser):
    """The targets of the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]
