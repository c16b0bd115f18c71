"""Images that a user gives for prediction: paths, encoded bytes, PIL images or arrays, one or many of them."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import DataLayoutError, DataNotFoundError, UnreadableImageError
from pipeline.images.decode import encode_array, encode_image
from pipeline.images.hashing import FileHashes
from pipeline.images.kinds import Other
from pipeline.images.manifest import Files, ImageBytes, Manifest, Skipped
from pipeline.images.sources.folders import NOT_UNICODE, count_kinds, find_images, is_unicode
from pipeline.images.sources.pixels import as_uint8

OneImage = str | os.PathLike[str] | bytes | Image.Image | NDArray[Any]
"""A path, the bytes of an image file, a PIL image, or an array of shape (H, W) or (H, W, 1, 3 or 4)."""

GivenImages = OneImage | Iterable[OneImage]
"""One image or many: a list of any kinds, a column of paths, or an array (N, H, W) or (N, H, W, 1, 3 or 4)."""

NOT_FOUND = "no such file"
_KINDS = "a path, the bytes of an image file, a PIL image, or an array of pixels"
_CHANNELS = (1, 3, 4)

_Content = str | bytes | NDArray[np.uint8]
"""A file's path, encoded bytes, or pixels."""


@dataclass(frozen=True)
class Given:
    """N images in the order given; an image that is given twice is listed twice."""

    names: tuple[str, ...]
    """Of all N: the path as given; for an image without a path its position among those given, such as `#3`."""

    manifest: Manifest
    """The images whose bytes can be read (they are not decoded yet). Its `positions` are their indices among the N; the others
    are in its `skipped`."""

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
            need_all: An image that cannot be read is an error.

        Returns:
            The number of images that cannot be read, and the first of them with its reason; None if all can be read.

        Raises:
            DataNotFoundError: The check fails, and the first image that cannot be read is a file that does not exist.
            UnreadableImageError: The check fails for another reason.
        """
        unread = self.unread(manifest)
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
            raise (DataNotFoundError if reason == NOT_FOUND else UnreadableImageError)(f"{text}.")
        return text


@dataclass(frozen=True)
class _Entry:
    """One of the N images."""

    name: str
    content: _Content | None
    reason: str = ""
    """Why there is no content; empty if there is."""


@dataclass(frozen=True)
class _Mixed:
    """Images of several types."""

    contents: tuple[_Content | None, ...]
    """None for images that cannot be read."""

    def read(self, position: int) -> bytes:
        content = self.contents[position]
        if isinstance(content, np.ndarray):
            return encode_array(content)
        return content if isinstance(content, bytes) else Path(str(content)).read_bytes()


def read_given(given: GivenImages, hashes: FileHashes, *, exif: bool = True, with_folders: bool = True) -> Given:
    """List and hash the images that a user gives.

    One path, `bytes`, PIL image, open file or array is one image; a folder means all images below it. An array of
    three dimensions is one image (H, W, channels) if its last dimension is 1, 3 or 4, and otherwise N gray images (N, H, W).
    A column of paths, such as a data frame with one column or an array (N, 1), is N paths.

    Args:
        given: The images.
        hashes: Remembered digests of files.
        exif: Turn PIL images upright as their EXIF orientation says.
        with_folders: A folder means all images below it; otherwise it is an image that cannot be read.

    Raises:
        DataLayoutError: No image was given, or something else than images.
    """
    others: list[Other] = []
    entries = [
        entry
        for number, item in enumerate(_split(given))
        for entry in _entries(item, f"#{number}", others, exif=exif, with_folders=with_folders)
    ]
    if not entries:
        raise DataLayoutError(f"No image was given. Expected {_KINDS}, or a list of these.")
    digests = _digests(entries, hashes)
    positions = [row for row, digest in enumerate(digests) if isinstance(digest, bytes)]
    contents = tuple(entry.content for entry in entries)
    names = tuple(entry.name for entry in entries)
    is_files = all(content is None or isinstance(content, str) for content in contents)
    images: ImageBytes = Files(Path(), names) if is_files else _Mixed(contents)
    manifest = Manifest(
        images=images,
        positions=tuple(positions),
        names=tuple(names[row] for row in positions),
        digests=tuple(digest for digest in digests if isinstance(digest, bytes)),
        labels=(None,) * len(positions),
        splits=("test",) * len(positions),
        skipped=tuple(
            Skipped(name, digest) for name, digest in zip(names, digests, strict=True) if isinstance(digest, str)
        ),
        ignored=count_kinds(others),
    )
    return Given(names, manifest)


def _split(given: Any) -> list[Any]:
    """One item per image or folder."""
    if isinstance(given, str | os.PathLike | bytes | bytearray | memoryview | Image.Image) or hasattr(given, "read"):
        return [given]
    if hasattr(given, "__array__"):  # numpy, and the columns, frames and tensors of other libraries
        return _split_array(np.asarray(given))
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise DataLayoutError(f"Expected {_KINDS}, or a list of these. Received: {type(given).__name__}.")
    # A list of lists with one path each is a column, like an array (N, 1).
    return [item[0] if isinstance(item, list | tuple) and len(item) == 1 else item for item in given]


def _split_array(array: NDArray[Any]) -> list[Any]:
    if array.dtype.kind not in "biuf":
        if array.ndim > 2 or array.shape[1:] not in ((), (1,)):
            raise DataLayoutError(f"Expected one column of images. Received: the shape {array.shape}.")
        return list(array.reshape(-1))
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in _CHANNELS):
        return [array]
    return list(as_uint8(array))


def _entries(item: Any, number: str, others: list[Other], *, exif: bool, with_folders: bool) -> list[_Entry]:
    """One image, with its content or the reason why it has none; for a folder all images below it.

    The kinds of the other files in a folder are added to `others`.
    """
    if isinstance(item, str | os.PathLike):
        return _entries_of_path(os.fsdecode(item), others, with_folders=with_folders)
    try:
        return [_Entry(number, _content(item, exif=exif))]
    except (UnreadableImageError, DataLayoutError, OSError) as error:
        return [_Entry(number, None, str(error).rstrip("."))]


def _content(item: Any, *, exif: bool) -> _Content:
    if isinstance(item, Image.Image):
        return encode_image(item, exif=exif)
    if hasattr(item, "__array__"):
        pixels: NDArray[np.uint8] = as_uint8(np.asarray(item)[None])[0]
        return pixels
    content = item.read() if hasattr(item, "read") else item
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    raise UnreadableImageError(f"expected {_KINDS}; received {type(content).__name__}")


def _entries_of_path(path: str, others: list[Other], *, with_folders: bool) -> list[_Entry]:
    if not path:
        return [_Entry(path, None, "an empty path")]
    try:
        if Path(path).is_dir():
            if not with_folders:
                return [_Entry(path, None, "a folder; expected one image for each label")]
            return _entries_of_folder(path, others)
        reason = None if Path(path).is_file() else "not a regular file" if Path(path).exists() else NOT_FOUND
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    return [_entry_of_file(path, reason)]


def _entries_of_folder(path: str, others: list[Other]) -> list[_Entry]:
    found = find_images(Path(path))
    others += found.others
    reasons = dict.fromkeys(found.names, "") | {entry.path: entry.reason for entry in found.skipped}
    names = sorted(reasons, key=lambda name: name.split("/"))
    listed = [_entry_of_file(str(Path(path, name)), reasons[name]) for name in names]
    return listed or [_Entry(path, None, f"no image in this folder.{found.summary}".rstrip("."))]


def _entry_of_file(path: str, reason: str | None) -> _Entry:
    if not is_unicode(path):
        return _Entry(ascii(path), None, NOT_UNICODE)
    return _Entry(path, None, reason) if reason else _Entry(path, path)


def _digests(entries: list[_Entry], hashes: FileHashes) -> list[bytes | str]:
    """SHA-256 of each entry's encoded bytes, or the reason why there is none."""
    of_files = iter(hashes.digests([entry.content for entry in entries if isinstance(entry.content, str)]))
    digests: list[bytes | str] = []
    for entry in entries:
        if isinstance(entry.content, str):
            digest = next(of_files)
            digests.append(digest if isinstance(digest, bytes) else f"cannot be read: {digest.strerror or digest}")
        elif entry.content is None:
            digests.append(entry.reason)
        else:
            content = encode_array(entry.content) if isinstance(entry.content, np.ndarray) else entry.content
            digests.append(hashlib.sha256(content).digest())
    return digests
