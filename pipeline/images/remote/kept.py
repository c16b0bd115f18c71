"""Objects that are data sets themselves (archives, tables, arrays), kept as files so that the readers of files can read them.

They are kept between commands, since every command reads them: below the home folder, until newer ones need the space. A change of
the object is noticed by its version.
"""

import contextlib
import hashlib
import itertools
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import DataLayoutError, DataNotFoundError, UnreachableDataError
from pipeline.files import remove, remove_debris, replacing
from pipeline.images.remote.addresses import name_in, shown
from pipeline.images.remote.fetch import FetchError, Version, fetch_into, look, patiently
from pipeline.images.remote.filesystems import DENIED, MISSING, SERVER, FileSystem, explain
from pipeline.images.remote.listing import Below
from pipeline.images.remote.loop import wait

if sys.platform != "win32":
    import fcntl

FOLDER = "far"
_LONGEST_NAME = 100
_in_use: dict[tuple[int, int], int] = {}
"""Descriptors of the kept files of this process, by device and inode: they are locked, so that no other process removes them."""


def keep_file(system: FileSystem, url: str, home: Path, at_most: int) -> Path:
    """The content of an object as a file with its name.

    Args:
        system: Where it is.
        url: Its URL.
        home: The project's own folder.
        at_most: Bytes of all kept files.

    Raises:
        DataNotFoundError: It does not exist.
        UnreachableDataError: The server fails, or denies access.
        DataLayoutError: It is too large.
    """
    try:
        version = wait(_version(system, url))
    except FetchError as error:
        raise _named(error, url, system) from error
    _check_room(url, version.size or 0, home, at_most)
    path = _folder_of(home, url, version) / file_name(url)
    _keep(system, url, path, home, at_most, is_same=version.stamp is not None and path.is_file())
    return path


def keep_folder(system: FileSystem, url: str, below: Below, names: Sequence[str], home: Path, at_most: int) -> Path:
    """The content of several objects below a URL as files of one folder.

    Args:
        system: Where they are.
        url: The URL.
        below: Its entry in a listing.
        names: Their paths below the URL.
        home: As in `keep_file`.
        at_most: As in `keep_file`.

    Raises:
        As `keep_file`.
    """
    size = sum(below.versions[name].size or 0 for name in names)
    _check_room(url, size, home, at_most)
    whole = Version(size, repr([(name, below.versions[name].stamp) for name in sorted(names)]))
    folder = _folder_of(home, url, whole) / file_name(url.rstrip("/"))
    for name in names:
        path = folder / name
        _keep(system, below.urls[name], path, home, at_most, is_same=path.is_file())
    return folder


def find_kept(url: str, home: Path) -> Path | None:
    """The file or folder that was kept of a data set, the newest one; no server is asked.

    Args:
        url: Its URL.
        home: As in `keep_file`.
    """
    found = [path for path in _versions_of(home, url).glob("*/*") if not path.name.startswith(".")]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def _folder_of(home: Path, url: str, version: Version) -> Path:
    """The folder of one version of a data set; the folder above it has all versions."""
    stamp = hashlib.sha256(repr(version.stamp).encode()).hexdigest()[:16]
    return _versions_of(home, url) / stamp


def _versions_of(home: Path, url: str) -> Path:
    """The folder of all versions of a data set."""
    return home / FOLDER / hashlib.sha256(shown(url).encode()).hexdigest()[:24]


def _keep(system: FileSystem, url: str, path: Path, home: Path, at_most: int, *, is_same: bool) -> None:
    """Make a kept file, in the folder of its version.

    Args:
        system: Where it is.
        url: URL of the file.
        path: The kept file.
        home: As in `keep_file`.
        at_most: As in `keep_file`.
        is_same: It is there, and has not changed.
    """
    if not is_same:
        _forget_others(path, home)
        try:
            with replacing(path) as beside:
                wait(_download(system, url, beside, at_most))
        except FetchError as error:
            raise _named(error, url, system) from error
    _use(path)
    _make_room(home, at_most)


def _forget_others(path: Path, home: Path) -> None:
    """Remove the files of other versions of a data set."""
    key, stamp, *_ = path.relative_to(home / FOLDER).parts
    data = home / FOLDER / key
    for old in _kept(home):
        if old.is_relative_to(data) and not old.is_relative_to(data / stamp):
            _remove_unused(old)


def file_name(url: str) -> str:
    """A name for the file of an object: that of the object, as far as it is a plain one."""
    name = re.sub(r"[\x00-\x1f\x7f/\\:]", "_", name_in(url)).lstrip(".")
    return name[-_LONGEST_NAME:] or "data"


async def _version(system: FileSystem, url: str) -> Version:
    try:
        return await look(system, url)
    except FetchError as error:
        if error.kind == SERVER:
            raise
        return Version()  # a signed URL may be for GET alone


async def _download(system: FileSystem, url: str, path: Path, at_most: int) -> None:
    with path.open("wb") as file:

        async def read() -> Version:
            file.seek(0)
            file.truncate()
            return await fetch_into(file.write, system, url, at_most)

        await patiently(read)


def _named(error: FetchError, url: str, system: FileSystem) -> Exception:
    words = explain(error.__cause__ or error, url, system)
    if error.kind == MISSING:
        return DataNotFoundError(words)
    if error.kind == "large":
        return DataLayoutError(f"{words} --spool-gb sets it.")
    return UnreachableDataError(words) if error.kind in (SERVER, DENIED) else DataLayoutError(words)


def _check_room(url: str, size: int, home: Path, at_most: int) -> None:
    if size > at_most:
        raise DataLayoutError(
            f"{shown(url)} has {size / 1e9:.2f} GB, and objects of at most {at_most / 1e9:.2f} GB are kept on this machine. "
            "Choose a larger --spool-gb."
        )
    home.mkdir(parents=True, exist_ok=True)
    (home / FOLDER).mkdir(mode=0o700, exist_ok=True)  # a table may have signed URLs in it
    free = shutil.disk_usage(home).free
    if size > free:
        raise DataLayoutError(
            f"{shown(url)} has {size / 1e9:.2f} GB, and {free / 1e9:.2f} GB are free in {home}. Make room, or choose another folder "
            "with BOTTLENECK_HOME."
        )


def _kept(home: Path) -> Sequence[Path]:
    """The kept files, those that were used least recently first. What killed downloads left is removed."""
    found = []
    for folder, _, names in os.walk(home / FOLDER):
        remove_debris(Path(folder))
        found += [path for name in names if not name.startswith(".") and (path := Path(folder, name)).is_file()]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def _make_room(home: Path, at_most: int) -> None:
    """Remove what was used least recently and no process uses, until all kept files are small enough together."""
    kept = _kept(home)
    total = sum(path.stat().st_size for path in kept)
    for path in kept:
        if total > at_most:
            size = path.stat().st_size
            total -= size if _remove_unused(path) else 0


def _use(path: Path) -> None:
    """Keep a file open and locked until this process ends, and note the time."""
    os.utime(path)
    found = path.stat()
    if sys.platform == "win32" or (found.st_dev, found.st_ino) in _in_use:
        return
    descriptor = os.open(path, os.O_RDONLY)
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    _in_use[found.st_dev, found.st_ino] = descriptor


def _remove_unused(path: Path) -> bool:
    """Remove a kept file unless a process uses it; whether it is gone."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        if sys.platform != "win32":
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove(path)
        for folder in itertools.takewhile(lambda folder: folder.name != FOLDER, path.parents):
            folder.rmdir()
        return True
    return not path.exists()


@contextlib.contextmanager
def naming_url(path: Path, url: str) -> Iterator[None]:
    """A block that reads a kept file: its errors name the URL."""
    try:
        yield
    except DataLayoutError as error:
        raise type(error)(str(error).replace(str(path), shown(url))) from error
