"""Where the files of a table are: in folders of this machine, in buckets, or on web servers."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DataNotFoundError
from pipeline.images.manifest import Files, ImageBytes, announce
from pipeline.images.remote.addresses import folder_of, is_url, join, refusal, shown, without_secrets
from pipeline.images.remote.objects import Objects
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables.paths import Locator

_NO_PATH = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\\w")

Place = Path | str
"""A folder, or the URL of one."""


def place_of(reading: Reading, own: Path) -> Place:
    """Where relative paths of a table begin.

    Args:
        reading: Its `root` is what the user named; its `url` is that of the table.
        own: The folder of the table's file.
    """
    if reading.root is not None:
        return str(reading.root) if is_url(reading.root) else Path(reading.root)
    return folder_of(reading.url) if reading.url else own


def name_of(table: Path, reading: Reading) -> str:
    """What messages call a table."""
    return shown(reading.url) if reading.url else str(table)


@dataclass(frozen=True)
class UrlLocator:
    """Finds the objects of a table's paths below a URL. Whether they exist is seen when they are fetched."""

    root: str
    may_leave: bool = False
    """Relative paths may lead out of the root by `..`: the user named the root."""

    def locate(self, given: str | None) -> tuple[str, str | None]:
        """The URL of a path; and why there is none, or None."""
        path = (given or "").strip()
        if not path:
            return "", "empty path"
        if is_url(path) and not path.startswith("file:"):
            return path, refusal(path)
        if path.startswith(("/", "file:")) or _DRIVE.match(path):
            return path, "is a path on a machine: give paths relative to the table or to --root, or URLs"
        if _NO_PATH.search(path):
            return path, "not a path: it has control characters"
        url = join(self.root, path.replace("\\", "/"), may_leave=self.may_leave)
        if url is None:
            return path, "leaves the folder by '..': name the URL that paths begin in with --root"
        return url, refusal(url)

    def elsewhere(self, paths: Sequence[str | None]) -> None:
        """As `Locator.elsewhere`: what is at a URL is not known before it is fetched."""
        del paths

    def notes(self, num_paths: int) -> list[str]:
        """As `Locator.notes`: there is nothing to say."""
        del num_paths
        return []


def make_locator(place: Place, reading: Reading) -> Locator | UrlLocator:
    """What finds the files of paths that begin in a place.

    Raises:
        DataNotFoundError: It is a folder that does not exist.
    """
    if isinstance(place, str):
        return UrlLocator(place, may_leave=reading.root is not None)
    if not place.is_dir():
        raise DataNotFoundError(f"The folder of the images does not exist: {place}. Give another one with --root.")
    return Locator(place, may_leave=reading.root is not None, follow_links=reading.follow_links, below=True)


def open_files(place: Place, names: Sequence[str], reading: Reading) -> tuple[ImageBytes, list[bytes | OSError]]:
    """A source of N images, and the SHA-256 of each, or the error with which it could not be read.

    Args:
        place: Where relative paths begin.
        names: Of each image: a URL, or a path.
        reading: Remembered hashes, and the spool.
    """
    urls = [name for name in names if is_url(name)]
    if not urls:
        full = [os.path.join(place, name) for name in names]  # noqa: PTH118 strings are faster
        return Files(Path(place), tuple(names)), reading.hashes.digests(full, progress=reading.progress)
    objects = Objects(urls, reading.home, reading.spool_bytes)
    of_urls = objects.digests(reading.hashes, progress=reading.progress, while_fetching=reading.while_fetching)
    if len(urls) == len(names):
        return objects, of_urls
    paths = [name for name in names if not is_url(name)]
    files, of_files = open_files(place, paths, reading)
    far, near = iter(range(len(urls))), iter(range(len(paths)))
    rows = [(is_url(name), next(far if is_url(name) else near)) for name in names]
    return _Both(objects, files, tuple(rows)), [of_urls[row] if is_far else of_files[row] for is_far, row in rows]


def shown_name(name: str | None, row: int) -> str:
    """What people see of a path in a table: without secrets."""
    return without_secrets(name) if name else f"row {row + 1}"


@dataclass(frozen=True)
class _Both:
    """Images of which some are files and the others are objects elsewhere."""

    objects: ImageBytes
    files: ImageBytes
    rows: tuple[tuple[bool, int], ...]
    """Of each position: whether it is an object, and its position among these."""

    def read(self, position: int) -> bytes:
        is_far, row = self.rows[position]
        return (self.objects if is_far else self.files).read(row)

    def announce(self, position: int) -> None:
        is_far, row = self.rows[position]
        if is_far:
            announce(self.objects, row)
