"""How much a file may become in memory and on the disk: the limits of all formats.

A compressed file of kilobytes can promise gigabytes. What it promises in its metadata is checked before anything is unpacked, and
what comes is counted, since promises can be false.
"""

import zipfile
from pathlib import Path

from pipeline.errors import DataLayoutError
from pipeline.files import open_regular

MAX_RATIO = 200
"""Unpacked bytes per packed byte. Encoded images shrink by a few per cent, a blank 24-bit bitmap by a factor of a few hundred."""

SMALL_BYTES = 2**20
"""Of smaller images the ratio is not checked."""

SMALL_ARRAYS_BYTES = 2**28
"""Of smaller arrays the ratio is not checked: masks and blank images can be compressed by more."""

MAX_ARCHIVE_BYTES = 2**40
"""The largest archive of arrays or weights: what counts is what it becomes."""

MAX_TEXT_BYTES = 2**30
"""The largest table of delimited text, or with one JSON object per line."""

MAX_JSON_BYTES = 2**26
"""The largest table that is one JSON value. It is in memory as a whole, where two bytes of text can take sixty."""

MAX_LINE = 2**20
"""Characters of one JSON object in a table with one per line."""

SMALL_CELLS = 2**22
"""Of tables with fewer values their number is not checked."""

CELLS_PER_BYTE = 16
"""Values of a larger table per byte of its file. A path of its own takes a few bytes, a column of one value nearly none."""

UNKNOWN_MEMORY = 2**30
"""Bytes that are taken to be free where the system does not say how many are."""


def check_growth(source: object, packed: int, unpacked: int, *, small: int = SMALL_BYTES) -> None:
    """Check that a file does not unpack to many times its size.

    Args:
        source: Its name, for the message.
        packed: Its bytes.
        unpacked: What they become.
        small: Fewer unpacked bytes are not checked.

    Raises:
        DataLayoutError: They become more than `MAX_RATIO` times as many.
    """
    if unpacked > small and unpacked > MAX_RATIO * packed:
        raise DataLayoutError(
            f"{source} has {packed:,} bytes and would unpack to {unpacked:,}, as only decompression bombs do. Expected at most "
            f"{MAX_RATIO} times as many. If it is yours, save it again without compression."
        )


def check_archive(path: Path) -> None:
    """Check that a zip archive, such as a Keras file, does not unpack to many times its size.

    Raises:
        DataLayoutError: It does; see `check_growth`.
        OSError: It is not a regular file.
        BadZipFile: It is not an archive.
    """
    with open_regular(path, MAX_ARCHIVE_BYTES, follow_links=True) as file, zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
        check_growth(path, path.stat().st_size, unpacked, small=SMALL_ARRAYS_BYTES)


def check_cells(source: object, packed: int, cells: int) -> None:
    """Check the number of values of a table.

    Args:
        source: Its name, for the message.
        packed: The bytes of its file.
        cells: Rows times columns.

    Raises:
        DataLayoutError: There are more than a table of images of this size has.
    """
    if cells > SMALL_CELLS and cells > CELLS_PER_BYTE * packed:
        raise DataLayoutError(
            f"{source} has {packed:,} bytes and would become a table of {cells:,} values, as no table of images does. "
            f"Expected at most {CELLS_PER_BYTE} values per byte."
        )


def check_memory(source: object, needed: int) -> None:
    """Check that something fits into the memory that is free.

    Args:
        source: What needs it, for the message.
        needed: Bytes.

    Raises:
        DataLayoutError: It does not.
    """
    free = free_memory()
    if needed > free:
        raise DataLayoutError(
            f"{source} needs {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. Save it as a folder of images, "
            "which are read one at a time."
        )


def free_memory() -> int:
    """Bytes of memory that are free; `UNKNOWN_MEMORY` where the system does not say."""
    import psutil  # here, so that the command line starts without it

    try:
        return int(psutil.virtual_memory().available)
    except OSError:  # no /proc, or it cannot be read
        return UNKNOWN_MEMORY
