"""The arrays of an `.npz` or `.npy` file, which may come from elsewhere."""

import math
import os
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.files import naming_errors, open_regular
from pipeline.images.decoding.formats import DAMAGE
from pipeline.images.files.limits import MAX_ARCHIVE_BYTES, SMALL_ARRAYS_BYTES, check_growth, check_memory


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays by name. Nothing is unpickled, and what they take is checked before they are unpacked.

    Raises:
        DataLayoutError: They take too much memory; see `pipeline.images.files.limits`.
        Exception: Of any type, if the file is damaged; call it in `pipeline.errors.foreign_file`.
    """
    # Opened here, because numpy does not close a file that is not an archive.
    with naming_errors(path), open_regular(path, MAX_ARCHIVE_BYTES, follow_links=True) as file:
        with zipfile.ZipFile(file) as members:
            unpacked = sum(member.file_size for member in members.infolist())
        check_growth(path, os.fstat(file.fileno()).st_size, unpacked, small=SMALL_ARRAYS_BYTES)
        check_memory(path, unpacked)
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def read_npy(path: Path) -> NDArray[Any]:
    """The array of an `.npy` file; raises what `read_npz` does."""
    with naming_errors(path), open_regular(path, MAX_ARCHIVE_BYTES, follow_links=True) as file:
        shape, dtype = _read_header(file)
        needed = math.prod(shape) * dtype.itemsize
        if needed > os.fstat(file.fileno()).st_size:
            raise ValueError("it is shorter than its header says")
        check_memory(path, needed)
        file.seek(0)
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array


def is_one_image(path: Path) -> bool:
    """Whether an `.npy` file is one image: what `Decoder` decodes, and no array of images."""
    try:
        with open_regular(path, MAX_ARCHIVE_BYTES, follow_links=True) as file:
            shape, dtype = _read_header(file)
    except DAMAGE:
        return True  # the decoder says what is wrong
    is_gray = len(shape) == 2 and dtype in (np.uint8, np.dtype("<u2"))
    return is_gray or (len(shape) == 3 and shape[2] in (1, 3, 4) and dtype == np.uint8)


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type."""
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = readers[version](file)
    return shape, dtype
