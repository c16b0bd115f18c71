"""Members of an archive, whatever its format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.images.files.kinds import Other, has_image_extension, other_kind
from pipeline.images.manifest import ImageBytes


@dataclass(frozen=True)
class Member:
    """A file in an archive."""

    name: str
    """As in the archive; normalized (`a/b.jpg`) once the member is chosen."""

    size: int
    """Bytes, unpacked."""

    position: int
    """In a zip: its number in the directory. In a tar: offset of its content in the unpacked bytes."""

    refusal: str | None
    """Why it is not read; None if it is."""

    other: Other | None = None
    """What it is, if it is no image."""


@dataclass(frozen=True)
class Listing:
    """What is in an archive."""

    members: list[Member]
    """Its files, in its order."""

    make_images: Callable[[Sequence[Member]], ImageBytes]
    """Makes a source of images of the chosen members."""

    warnings: tuple[str, ...] = ()
    """What was assumed: a sentence each."""


def other_member(name: str, read_head: Callable[[], bytes]) -> Other | None:
    """What a member is if it is no image; its first bytes are read only if its name does not say it."""
    file = name.rpartition("/")[2]
    return None if has_image_extension(file) else other_kind(file, read_head())


def read_piece(file: BinaryIO, offset: int, size: int) -> bytes:
    """A section of a file.

    Raises:
        OSError: The file ends before.
    """
    file.seek(offset)
    data = file.read(size)
    if len(data) != size:
        raise OSError(f"the archive is truncated: {len(data):,} of {size:,} bytes")
    return data
