"""Images that are given for prediction by URLs: one image, or the images of a folder, an archive or a table there."""

from collections.abc import Callable
from dataclasses import replace

from pipeline.errors import DataNotFoundError, PipelineError
from pipeline.images.entries import Entry, entries_of
from pipeline.images.files.kinds import has_image_extension
from pipeline.images.named import kind_of
from pipeline.images.remote.addresses import is_folder, is_url, is_web, name_in, refusal, shown
from pipeline.images.remote.filesystems import open_filesystem
from pipeline.images.remote.kept import naming_url
from pipeline.images.remote.listing import Below
from pipeline.images.remote.objects import Objects
from pipeline.images.remote.patterns import exists, matching, may_be_pattern, split
from pipeline.images.sources import far
from pipeline.images.sources.reading import Reading


def entries_of_url(
    url: str, reading: Reading, listed: Callable[[str, str], list[Entry]], *, with_folders: bool
) -> list[Entry]:
    """The image of a URL, or all images of what else it names.

    Args:
        url: A URL.
        reading: How data sets are read.
        listed: Lists the images of a data set, by its path on this machine and its URL.
        with_folders: It may name many images.

    Raises:
        DataNotFoundError, UnreachableDataError, DataLayoutError: A folder, an archive or a table there cannot be read.
    """
    reason = refusal(url)
    if reason:
        return [Entry(shown(url), None, reason)]
    if may_be_pattern(url) and not exists(open_filesystem(url), url):
        what = "a pattern; expected one image for each label"
        return _entries_of_pattern(url, reading) if with_folders else [Entry(shown(url), None, what)]
    if far.is_file(url):
        return _entries_of_file(url, reading, listed, with_folders=with_folders)
    if has_image_extension(name_in(url)) or (is_web(url) and not is_folder(url)):
        return [Entry(shown(url), url)]
    if not with_folders:
        return [Entry(shown(url), None, "a folder; expected one image for each label")]
    return _entries_of_folder(url, reading)


def fetched(entries: list[Entry], reading: Reading) -> list[Entry]:
    """The same entries; those whose content is a URL are fetched, many at a time.

    Raises:
        UnreachableDataError: The server gives none of many.
    """
    rows = [row for row, entry in enumerate(entries) if isinstance(entry.content, str) and is_url(entry.content)]
    if not rows:
        return entries
    images = Objects([str(entries[row].content) for row in rows], reading.home, reading.spool_bytes)
    digests = images.digests(reading.hashes, progress=reading.progress)
    names = [entries[row].name for row in rows]
    made = dict(zip(rows, entries_of(names, images, digests), strict=True))
    return [made.get(row, entry) for row, entry in enumerate(entries)]


def _entries_of_file(
    url: str, reading: Reading, listed: Callable[[str, str], list[Entry]], *, with_folders: bool
) -> list[Entry]:
    try:
        path = far.keep(url, reading)
    except PipelineError as error:
        return [Entry(shown(url), None, str(error).rstrip("."))]
    with naming_url(path, url):
        kind = kind_of(str(path))
        if kind is None:
            return [Entry(shown(url), str(path))]
        if not with_folders:
            return [Entry(shown(url), None, f"{kind}; expected one image for each label")]
        entries = listed(str(path), url)
    return [replace(entry, name=entry.name.replace(str(path), shown(url))) for entry in entries]


def _entries_of_pattern(url: str, reading: Reading) -> list[Entry]:
    """The images of the objects that match; a folder that has such characters in its own name is a folder."""
    folder, pattern = split(url)
    try:
        found = matching(far.list_folder(folder), pattern)
    except DataNotFoundError:
        found = Below()
    if found.urls:
        return _entries_below(folder, found, reading)
    try:
        return _entries_of_folder(url, reading)
    except DataNotFoundError:
        return [Entry(shown(url), None, f"no object below {shown(folder)} matches this pattern")]


def _entries_of_folder(url: str, reading: Reading) -> list[Entry]:
    return _entries_below(url, far.list_folder(url), reading)


def _entries_below(url: str, below: Below, reading: Reading) -> list[Entry]:
    found = far.sort_objects(below)
    beside = shown(url).rstrip("/")
    if not found.names:
        return [Entry(shown(url), None, f"no image in this folder.{found.summary}".rstrip("."))]
    images = far.objects_of(found.names, below, reading)
    digests = images.digests(reading.hashes, progress=reading.progress)
    entries = entries_of(found.names, images, digests, beside=f"{beside}/")
    entries += [Entry(f"{beside}/{entry.path}", None, entry.reason) for entry in found.skipped]
    return sorted(entries, key=lambda entry: entry.name.split("/"))
