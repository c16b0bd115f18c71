"""Members of an archive, whatever its format."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from pipeline.images.manifest import ImageBytes

# Encoded images shrink by a few per cent, a blank 24-bit bitmap by a factor of a few hundred.
MAX_RATIO = 200
# Of smaller members the ratio is not checked.
SMALL_BYTES = 2**20


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


Listing = tuple[list[Member], Callable[[Sequence[Member]], ImageBytes]]
"""The members of an archive, and what makes a source of images of the chosen ones."""


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
