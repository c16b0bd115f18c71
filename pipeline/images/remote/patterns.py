"""URLs with `*`, `?` or `[` in them, which a shell leaves as they are: patterns of names, where no object has that very name."""

import itertools
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from urllib.parse import unquote

from pipeline.images.remote.addresses import is_web
from pipeline.images.remote.fetch import FetchError, look
from pipeline.images.remote.filesystems import MISSING, FileSystem
from pipeline.images.remote.listing import Below
from pipeline.images.remote.loop import wait

_MAGIC = re.compile(r"[*?\[]")


def is_magic(text: str) -> bool:
    """Whether a text has such characters."""
    return _MAGIC.search(text) is not None


def may_be_pattern(url: str) -> bool:
    """Whether the path of a URL has such characters. On a web server, a question mark begins the query."""
    return is_magic(_path(url))


def exists(system: FileSystem, url: str) -> bool:
    """Whether there is an object of this very name; True if the server does not say."""
    try:
        wait(look(system, url))
    except FetchError as error:
        return error.kind != MISSING
    return True


def split(url: str) -> tuple[str, str]:
    """The URL of the last folder before a pattern, and the pattern of the names below it.

    >>> split("s3://bucket/photos/*/1?.jpg")
    ('s3://bucket/photos/', '*/1?.jpg')
    """
    head, _, rest = url.partition("://")
    place, path = rest.partition("/")[0], _path(url)
    plain = list(itertools.takewhile(lambda part: not is_magic(part), path.split("/")))
    folder = "".join(f"{part}/" for part in plain)
    query = rest.partition("?")[2] if is_web(url) else ""
    pattern = path.removeprefix(folder)
    return f"{head}://{place}/{folder}" + (f"?{query}" if query else ""), unquote(pattern) if is_web(url) else pattern


def matching(below: Below, pattern: str) -> Below:
    """The objects that match a pattern, or if none does, those in folders that do.

    As on a disk, `*` stays within a name and leaves out hidden ones, and `**` means any number of folders.
    """
    parts = [part for part in pattern.split("/") if part]
    found = [path for path in below.urls if _match(parts, path.split("/"))]
    if not found:
        found = [path for path in below.urls if any(_match(parts, folder) for folder in _folders(path))]
    return Below({path: below.versions[path] for path in found}, {path: below.urls[path] for path in found})


def _folders(path: str) -> list[list[str]]:
    names = path.split("/")
    return [names[:depth] for depth in range(1, len(names))]


def _match(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the parts of a pattern match the parts of a path."""
    if not parts or not names:
        return not parts and not names
    if parts[0] != "**":
        return _fits(names[0], parts[0]) and _match(parts[1:], names[1:])
    if len(parts) == 1:
        return all(_fits(name, "*") for name in names)
    depths = itertools.takewhile(lambda depth: depth == 0 or _fits(names[depth - 1], "*"), range(len(names)))
    return any(_match(parts[1:], names[depth:]) for depth in depths)


def _fits(name: str, part: str) -> bool:
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))


def _path(url: str) -> str:
    path = url.partition("://")[2].partition("/")[2]
    return re.split(r"[?#]", path, maxsplit=1)[0] if is_web(url) else path
