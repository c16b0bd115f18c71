"""DATA that is a URL: class folders in a bucket or on a web server, and archives, tables and arrays there."""

from pathlib import Path

from pipeline.images.files.kinds import (
    Other,
    has_image_extension,
    is_system_file,
    is_system_folder,
    kind_of_system_file,
    kind_of_system_folder,
    other_kind,
)
from pipeline.images.manifest import Manifest
from pipeline.images.remote.addresses import check_url, name_in, shown
from pipeline.images.remote.filesystems import open_filesystem
from pipeline.images.remote.kept import keep_file, keep_folder
from pipeline.images.remote.listing import Below, list_below
from pipeline.images.remote.objects import Objects
from pipeline.images.sources.archives import archives
from pipeline.images.sources.folders import Found, columns_of_found
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables import huggingface, tables

_ARRAYS = (".npz", ".npy")
_DATA_FILES = (".parquet", ".arrow", ".json")
_HUGGING_FACE = ("state.json", "dataset_dict.json")


def is_file(url: str) -> bool:
    """Whether a URL names a file that is a data set itself, by its ending: an archive, a table, arrays."""
    return name_in(url).lower().endswith((*archives.EXTENSIONS, *tables.EXTENSIONS, *_ARRAYS))


def keep(url: str, reading: Reading) -> Path:
    """The file of a URL on this machine; it is fetched unless the same version is there.

    Raises:
        DataNotFoundError: It does not exist.
        UnreachableDataError: The server fails, or denies access.
        DataLayoutError: It is too large, or not a URL that is read.
    """
    return keep_file(open_filesystem(check_url(url)), url, reading.home, reading.spool_bytes)


def list_folder(url: str) -> Below:
    """What is below a URL; raises the errors of `list_below`."""
    return list_below(open_filesystem(check_url(url)), url)


def keep_data_files(url: str, below: Below, reading: Reading) -> Path | None:
    """A folder of this machine with the files of a data set of Hugging Face; None if it is none.

    Raises:
        As `keep`.
    """
    names = [path for path in below.urls if path.endswith(_DATA_FILES)]
    is_saved = any(path.rpartition("/")[2] in _HUGGING_FACE for path in names)
    is_hub = any(huggingface.is_hub_name(path.rpartition("/")[2]) for path in names)
    if not (is_saved or is_hub) or any(map(has_image_extension, below.urls)):
        return None
    return keep_folder(open_filesystem(url), url, below, names, reading.home, reading.spool_bytes)


def scan_objects(url: str, below: Below, reading: Reading) -> Manifest:
    """The manifest of the images below a URL, as `folders.scan_folder` makes it of a folder.

    Raises:
        DataLayoutError: There is no image, or it is not clear which folders are splits.
        UnreachableDataError: The server gives none of the objects.
    """
    found = sort_objects(below)
    columns = columns_of_found(found, reading, shown(url))
    title = name_in(url.rstrip("/")) or _bucket(url)
    columns.check_before_fetching(reading, title)
    images = objects_of(found.names, below, reading)
    digests = images.digests(reading.hashes, progress=reading.progress, while_fetching=reading.while_fetching)
    return columns.manifest(images, digests, reading, title)


def objects_of(names: list[str], below: Below, reading: Reading) -> Objects:
    """The source of these images among the objects below a URL."""
    urls = [below.urls[name] for name in names]
    versions = {url: below.versions[name] for name, url in zip(names, urls, strict=True)}
    return Objects(urls, reading.home, reading.spool_bytes, versions=versions)


def sort_objects(below: Below) -> Found:
    """Images and other objects, as a walk over a folder finds them. What an object is, is judged by its name.

    Objects without an ending are images if no other object is one.
    """
    found = Found(skipped=list(below.skipped))
    plain, system = [], set()
    for path, version in below.versions.items():
        *above, name = path.split("/")
        hidden = next((depth for depth, folder in enumerate(above) if is_system_folder(folder)), None)
        if hidden is not None:
            system.add("/".join(above[: hidden + 1]))
        elif is_system_file(name):
            found.others.append(kind_of_system_file(name))
        elif has_image_extension(name):
            found.names.append(path)
        elif "." not in name and version.size != 0:
            plain.append(path)
        else:
            other = other_kind(name, b"") or Other(name)
            found.others.append(other)
            found.note_table(path, other, 0)
    found.others += map(kind_of_system_folder, system)
    if found.names:
        found.others += [Other("files without ending")] * len(plain)
    else:
        found.names = plain
    found.names.sort(key=lambda path: path.split("/"))
    return found


def _bucket(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]
