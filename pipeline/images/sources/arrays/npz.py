"""The arrays of an `.npz` file, which may come from elsewhere."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.files import open_regular
from pipeline.images.files.limits import MAX_ARCHIVE_BYTES, SMALL_ARRAYS_BYTES, check_growth, check_memory


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays by name. Nothing is unpickled, and what they take is checked before they are unpacked.

    Raises:
        DataLayoutError: They take too much memory; see `pipeline.images.files.limits`.
        Exception: Of any type, if the file is damaged; call it in `pipeline.errors.foreign_file`.
    """
    # Opened here, because numpy does not close a file that is not an archive.
    with open_regular(path, MAX_ARCHIVE_BYTES, follow_links=True) as file:
        with zipfile.ZipFile(file) as members:
            unpacked = sum(member.file_size for member in members.infolist())
        check_growth(path, os.fstat(file.fileno()).st_size, unpacked, small=SMALL_ARRAYS_BYTES)
        check_memory(path, unpacked)
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
