"""Images that a user gives for prediction: paths, encoded bytes, PIL images, arrays or data sets, one or many of them."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import DataLayoutError, DataNotFoundError, UnreadableImageError
from pipeline.images.decoding.decoder import encode_array, encode_image
from pipeline.images.entries import Content, Entry, Part
from pipeline.images.far import entries_of_url, fetched
from pipeline.images.files.hashing import FileHashes
from pipeline.images.files.kinds import Other
from pipeline.images.given_arrays import notes_on, split_array
from pipeline.images.manifest import Files, Manifest, announce
from pipeline.images.named import is_frame, is_pattern, kind_of, list_data, matches_of
from pipeline.images.remote.addresses import is_url
from pipeline.images.sources.arrays.pixels import Scale, as_uint8
from pipeline.images.sources.folders import NOT_UNICODE, count_kinds, find_images, is_unicode
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables.paths import Locator, plain_path
from pipeline.images.summary import Skipped, unread_kinds

OneImage = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]
"""A path, the bytes of an image file, a PIL image, or an array of shape (H, W) or (H, W, 1, 3 or 4)."""

NOT_FOUND = "no such file"
_KINDS = "a path, the bytes of an image file, a PIL image, or an array of pixels"
_MOST_PATH_BYTES = 1024
_MOST_TEXT, _SHOWN_TEXT = 4096, 40
_NO_PATH = "a text that is no path; if it is an image in base64, decode what comes behind the comma and give the bytes"


@dataclass(frozen=True)
class Given:
    """N images in the order given; an image that is given twice is listed twice."""

    names: tuple[str, ...]
    """Of all N: the path as given; for an image without a path its position among those given, such as `#3`."""

    manifest: Manifest
    """The images whose bytes can be read (they are not decoded yet). Its `positions` are their indices among the N; the others
    are in its `skipped`."""

    folders: tuple[str, ...] = ()
    """The folders among what was given."""

    def first(self, count: int) -> Manifest:
        """The readable ones of the first `count` images, without references to the content of the others."""
        images = self.manifest.images
        if isinstance(images, Files):
            images = replace(images, root=images.root.absolute(), names=images.names[:count])
        elif isinstance(images, _Mixed):
            images = _Mixed(images.contents[:count])
        kept = self.manifest.select([row for row, position in enumerate(self.manifest.positions) if position < count])
        return replace(kept, images=images, skipped=())

    def unread(self, manifest: Manifest) -> dict[int, str]:
        """The reason of each image that is not in a manifest, by its index among the N, in order.

        Args:
            manifest: `self.manifest`, or the part of it that could be decoded.
        """
        kept = set(manifest.positions)
        reasons = {entry.path: entry.reason for entry in manifest.skipped}
        return {index: reasons[name] for index, name in enumerate(self.names) if index not in kept}

    def check(self, manifest: Manifest, *, need_all: bool = False) -> str | None:
        """Check that at least one image can be read, or with `need_all` that every image can.

        Args:
            manifest: `self.manifest`, or the part of it that could be decoded.
            need_all: An image that cannot be read is an error, and so is a file of a kind that is not read.

        Returns:
            The number of images that cannot be read, and the first of them with its reason; None if all can be read.

        Raises:
            DataNotFoundError: The check fails, and the first image that cannot be read is a file that does not exist.
            UnreadableImageError: The check fails for another reason.
        """
        unread = self.unread(manifest)
        kinds = unread_kinds(self.manifest.ignored) if need_all else []
        if kinds:
            raise UnreadableImageError(
                f"Files in the given folders are not read, and --strict is set: {'; '.join(kinds)}"
            )
        if not unread:
            return None
        index, reason = next(iter(unread.items()))
        num_images = len(self.names)
        many = (
            f"{len(unread)} of {num_images} images cannot be read; the first"
            if num_images > 1
            else "The image cannot be read"
        )
        text = f"{many}: {self.names[index]}: {reason}"
        if need_all or len(unread) == num_images:
            raise (DataNotFoundError if reason.startswith(NOT_FOUND) else UnreadableImageError)(f"{text}.")
        return text


GivenImages = OneImage | Iterable[OneImage] | Given
"""One image or many: a list of any kinds, a column of paths, an array (N, H, W) or (N, H, W, 1, 3 or 4), or a frame; or what was read already."""


@dataclass(frozen=True)
class _Mixed:
    """Images of several types."""

    contents: tuple[Content | None, ...]
    """None for images that cannot be read."""

    def read(self, position: int) -> bytes:
        content = self.contents[position]
        if isinstance(content, np.ndarray):
            return encode_array(content)
        if isinstance(content, Part):
            return content.images.read(content.position)
        return content if isinstance(content, bytes) else Path(str(content)).read_bytes()

    def announce(self, position: int) -> None:
        content = self.contents[position]
        if isinstance(content, Part):
            announce(content.images, content.position)


def read_given(
    given: GivenImages,
    hashes: FileHashes,
    *,
    exif: bool = True,
    with_folders: bool = True,
    reading: Reading | None = None,
) -> Given:
    """List and hash the images that a user gives.

    One path, `bytes`, PIL image, open file or array is one image. An array of three dimensions is one image (H, W, channels) if its
    last dimension is 1, 3 or 4, and otherwise N gray images (N, H, W). Pixels are integers in [0, 255]; integers up to 65535, whose
    bits are judged over all arrays; or floats: in [0, 1] if no float of all arrays is above 2, otherwise in [0, 255]. A column of paths, such as a data frame with one column or an array
    (N, 1), is N paths.

    | a text that names | means |
    |---|---|
    | a folder | all images below it |
    | a table (`.csv`, `.tsv`, `.json`, `.jsonl`, `.parquet` ...), or a frame with several columns | one image per row |
    | a URL | the same, in a bucket or on a web server |
    | an archive, an `.npz` file, `keras:NAME`, a folder of Hugging Face | all images in it |
    | no file, with `*`, `?` or `[` in it | the files that match the pattern, or the folders if no file does |

    Args:
        given: The images; those that were read already are returned as they are.
        hashes: Remembered digests of files.
        exif: Turn PIL images upright as their EXIF orientation says.
        with_folders: A text may mean many images; otherwise one that does is an image that cannot be read.
        reading: How data sets among the images are read.

    Raises:
        DataLayoutError: No image was given, or something else than images; or a data set cannot be read.
    """
    if isinstance(given, Given):
        return given
    how = _How(replace(reading or Reading(), hashes=hashes), exif, with_folders)
    entries = fetched(_all_entries(given, how), how.reading)
    if not entries:
        raise DataLayoutError(f"No image was given. Expected {_KINDS}, or a list of these.")
    digests = _digests(entries, hashes)
    positions = [row for row, digest in enumerate(digests) if isinstance(digest, bytes)]
    contents = tuple(entry.content for entry in entries)
    names = tuple(entry.name for entry in entries)
    is_files = all(content is None or isinstance(content, str) for content in contents)
    paths = tuple(content if isinstance(content, str) else "" for content in contents)
    manifest = Manifest(
        images=Files(Path(), paths) if is_files else _Mixed(contents),
        positions=tuple(positions),
        names=tuple(names[row] for row in positions),
        digests=tuple(digest for digest in digests if isinstance(digest, bytes)),
        labels=(None,) * len(positions),
        splits=("test",) * len(positions),
        skipped=tuple(
            Skipped(name, digest) for name, digest in zip(names, digests, strict=True) if isinstance(digest, str)
        ),
        ignored=count_kinds(how.others),
        warnings=tuple(dict.fromkeys([*how.warnings, *how.locator.notes(len(names))])),
    )
    return Given(names, manifest, tuple(how.folders))


@dataclass
class _How:
    """How images are read, and what was noticed while they were listed."""

    reading: Reading
    exif: bool
    with_folders: bool
    others: list[Other] = field(default_factory=list)
    """Kinds of files in folders that are no images."""

    folders: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    locator: Locator = field(default_factory=lambda: Locator(Path(), may_leave=True, follow_links=True))
    """Finds files that are not there under the very name."""

    def listed(self, data: Any, url: str | None = None) -> list[Entry]:
        """The images of a data set, which may have been fetched from a URL."""
        found = list_data(data, replace(self.reading, url=url))
        self.warnings += found.warnings
        return found.entries


def _all_entries(given: Any, how: _How) -> list[Entry]:
    if how.with_folders and is_frame(given):
        return how.listed(given)
    items = _split(given, how)
    arrays = {f"#{number}": np.asarray(item) for number, item in enumerate(items) if _is_array(item)}
    scale = Scale.of(list(arrays.values()))
    how.warnings += notes_on(arrays, scale)
    return [entry for number, item in enumerate(items) for entry in _entries(item, f"#{number}", how, scale)]


def _is_array(item: Any) -> bool:
    return hasattr(item, "__array__") and not isinstance(item, str | bytes | Image.Image)


def _split(given: Any, how: _How) -> list[Any]:
    """One item per image, folder or data set."""
    if isinstance(given, str | os.PathLike | bytes | bytearray | memoryview | Image.Image) or hasattr(given, "read"):
        return [given]
    if hasattr(given, "__array__"):  # numpy, and the columns, frames and tensors of other libraries
        images, notes = split_array(np.asarray(given))
        how.warnings += notes
        return images
    if isinstance(given, Mapping) and (given.get("bytes") or isinstance(given.get("path"), str)):
        return [given]
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise DataLayoutError(f"Expected {_KINDS}, or a list of these. Received: {type(given).__name__}.")
    # A list of lists with one path each is a column, like an array (N, 1).
    return [item[0] if isinstance(item, list | tuple) and len(item) == 1 else item for item in given]


def _entries(item: Any, number: str, how: _How, scale: Scale) -> list[Entry]:
    """One image, with its content or the reason why it has none; for a folder or a data set all images in it."""
    if (
        isinstance(item, Mapping) and item.get("bytes") is None and item.get("path")
    ):  # as in the data sets of Hugging Face
        item = item["path"]
    if isinstance(item, bytes) and _is_path(item):  # a path in bytes, as tensors have it
        item = os.fsdecode(item)
    if isinstance(item, str | os.PathLike):
        text = str(os.fsdecode(item))  # a text of numpy becomes a plain one
        if text.startswith("data:image/") or len(text) > _MOST_TEXT:
            return [Entry(f"{text[:_SHOWN_TEXT]}...", None, _NO_PATH)]
        text = plain_path(text) if text.startswith("file:") else text
        if is_url(text):
            return entries_of_url(text, how.reading, how.listed, with_folders=how.with_folders)
        return _entries_of_path(text, how)
    try:
        return [Entry(number, _content(item, exif=how.exif, scale=scale))]
    except (UnreadableImageError, DataLayoutError, OSError) as error:
        return [Entry(number, None, str(error).rstrip("."))]


def _is_path(content: bytes) -> bool:
    """Whether bytes are the path of a file, and not the content of one."""
    try:
        return 0 < len(content) <= _MOST_PATH_BYTES and Path(os.fsdecode(content)).is_file()
    except (OSError, ValueError):
        return False


def _content(item: Any, *, exif: bool, scale: Scale) -> Content:
    if isinstance(item, Image.Image):
        return encode_image(item, exif=exif)
    if _is_array(item):
        pixels: NDArray[np.uint8] = as_uint8(np.asarray(item)[None], scale=scale)[0]
        return pixels
    content = item.read() if hasattr(item, "read") else item
    if isinstance(content, Mapping):  # as in the data sets of Hugging Face
        content = content.get("bytes")
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    raise UnreadableImageError(f"expected {_KINDS}; received {type(content).__name__}")


def _entries_of_path(path: str, how: _How) -> list[Entry]:
    """The file of a path, or all images of what else it names."""
    if not path.strip():
        return [Entry(path, None, "an empty path")]
    try:
        if path.startswith("~") and not Path(path).exists():
            path = os.path.expanduser(path)  # noqa: PTH111 an unknown user is no error
        is_folder, kind, is_many = Path(path).is_dir(), kind_of(path), is_pattern(path)
    except (OSError, ValueError) as error:
        return [_entry_of_file(path, f"cannot be read: {getattr(error, 'strerror', None) or error}")]
    if (is_folder or kind or is_many) and not how.with_folders:
        what = "a folder" if is_folder else kind or "a pattern"
        return [Entry(path, None, f"{what}; expected one image for each label")]
    if kind:
        return how.listed(path)
    if is_folder:
        how.folders.append(path)
        return _entries_of_folder(path, how)
    return _entries_of_pattern(path, how) if is_many else [_find_file(path, how)]


def _entries_of_pattern(pattern: str, how: _How) -> list[Entry]:
    found = matches_of(pattern)
    if not found:
        return [Entry(pattern, None, "no file matches this pattern")]
    folders = [path for path in found if Path(path).is_dir()]
    how.folders += folders
    return [
        entry
        for path in found
        for entry in (_entries_of_folder(path, how) if path in folders else [_find_file(path, how)])
    ]


def _find_file(path: str, how: _How) -> Entry:
    """The file of a path; if there is none under this very name, it is looked for as a table's paths are."""
    try:
        if Path(path).is_file():
            return _entry_of_file(path, None)
        if Path(path).exists():
            return _entry_of_file(path, "not a regular file; the name - reads an image, or paths, from standard input")
        found, reason = how.locator.locate(path)
    except OSError as error:
        return _entry_of_file(path, f"cannot be read: {error.strerror}")
    return _entry_of_file(path, reason) if reason else Entry(path, found)


def _entries_of_folder(path: str, how: _How) -> list[Entry]:
    found = find_images(Path(path), follow_links=how.reading.follow_links)
    how.others += found.others
    reasons = dict.fromkeys(found.names, "") | {entry.path: entry.reason for entry in found.skipped}
    names = sorted(reasons, key=lambda name: name.split("/"))
    listed = [_entry_of_file(str(Path(path, name)), reasons[name]) for name in names]
    return listed or [Entry(path, None, f"no image in this folder.{found.summary}".rstrip("."))]


def _entry_of_file(path: str, reason: str | None) -> Entry:
    if not is_unicode(path):
        return Entry(ascii(path), None, NOT_UNICODE)
    return Entry(path, None, reason) if reason else Entry(path, path)


def _digests(entries: list[Entry], hashes: FileHashes) -> list[bytes | str]:
    """SHA-256 of each entry's encoded bytes, or the reason why there is none."""
    of_files = iter(hashes.digests([entry.content for entry in entries if isinstance(entry.content, str)]))
    digests: list[bytes | str] = []
    for entry in entries:
        if isinstance(entry.content, str):
            digest = next(of_files)
            digests.append(digest if isinstance(digest, bytes) else f"cannot be read: {digest.strerror or digest}")
        elif isinstance(entry.content, Part):
            digests.append(entry.content.digest)
        elif entry.content is None:
            digests.append(entry.reason)
        else:
            content = encode_array(entry.content) if isinstance(entry.content, np.ndarray) else entry.content
            digests.append(hashlib.sha256(content).digest())
    return digests
