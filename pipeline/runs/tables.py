"""The CSV tables of a run: history.csv and predictions.csv; texts are safe for spreadsheets and read back as they were."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.cells import as_cell, from_cell
from pipeline.errors import DamagedStoreError
from pipeline.files import read_regular

_MAX_BYTES = 2**31


def write_table(path: Path, header: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    """Write a table; texts are safe for spreadsheets."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(map(as_cell, header))
        writer.writerows(map(as_cell, line) for line in lines)


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a table by the names of its columns.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedStoreError: It is not a table of at most 2 GiB, or a row has other columns than the header.
    """
    try:
        text = read_regular(path, _MAX_BYTES).decode()
        header, *lines = csv.reader(io.StringIO(text, newline="")) if text else ([],)
        names = [from_cell(name) for name in header]
        if "'" in text:
            lines = [list(map(from_cell, line)) for line in lines]
        return [dict(zip(names, line, strict=True)) for line in lines if line]
    except FileNotFoundError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise DamagedStoreError(f"{path} is not a table that a run has: {error}") from error
