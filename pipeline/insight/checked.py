"""Labels that a user has checked and taken for right: a table beside the saved labels. Such an image is no suspect under that label.

Images are known by their bytes, so that the table survives other names, other splits and new labels of other images.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.files import read_regular

COLUMNS = ("path", "label", "sha256")
"""The path is for people who read the table."""

CHECKED_ENDING = ".checked.csv"
_LABELS_ENDING = ".labels.csv"
_MAX_BYTES = 2**28

Checked = Mapping[bytes, frozenset[str]]
"""Labels that are right, by the SHA-256 of the image."""


def checked_path(source: str | Path | None) -> Path | None:
    """The table of a data set: `photos.checked.csv` for the folder `photos` and for its label file `photos.labels.csv`.

    Args:
        source: A folder or a file, as an absolute path.

    Returns:
        None for data that has no path on this machine.
    """
    if source is None or not Path(source).is_absolute():
        return None
    path = Path(source)
    name = path.name.removesuffix(_LABELS_ENDING)
    if name == path.name and path.suffix.lower() == ".csv" and not path.is_dir():
        name = path.stem
    return path.with_name(f"{name}{CHECKED_ENDING}")


def read_checked(path: Path | None) -> Checked:
    """The labels of a table; none without a file.

    Raises:
        DataLayoutError: It is another table, or cannot be read.
    """
    try:
        return {} if path is None else parse_checked(read_regular(path, _MAX_BYTES, follow_links=True), str(path))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DataLayoutError(
            f"{path}, the table of checked labels, cannot be read: {error.strerror or error}."
        ) from error


def parse_checked(content: bytes, source: str) -> Checked:
    """The labels of a table; `source` is its name in messages.

    Raises:
        DataLayoutError: It is another table.
    """
    found: dict[bytes, set[str]] = {}
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        if not {"label", "sha256"} <= set(reader.fieldnames or ()):
            raise ValueError(f"its columns are {list(reader.fieldnames or ())}")  # noqa: TRY301
        for record in reader:
            found.setdefault(_digest(record["sha256"]), set()).add(record["label"] or "")
    except (csv.Error, UnicodeDecodeError, ValueError) as error:
        raise DataLayoutError(
            f"{source} is not a table of checked labels, a UTF-8 CSV file with the columns {', '.join(COLUMNS)}: {error}. "
            "Move the file away; the labels that it lists are suspects again then."
        ) from error
    return {digest: frozenset(labels) for digest, labels in found.items()}


def checked_mask(checked: Checked, digests: Sequence[bytes], labels: Sequence[object]) -> NDArray[np.bool_]:
    """Which images have a label that was checked, (N,)."""
    none: frozenset[str] = frozenset()
    return np.fromiter(
        (
            digest in checked and str(label) in checked.get(digest, none)
            for digest, label in zip(digests, labels, strict=True)
        ),
        bool,
        len(digests),
    )


def _digest(text: str | None) -> bytes:
    digest = bytes.fromhex(text or "")
    if len(digest) != 32:
        raise ValueError(f"{text!r} is no SHA-256")
    return digest
