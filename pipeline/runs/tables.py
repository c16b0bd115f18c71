"""The CSV tables of a run: history.csv and predictions.csv; texts are safe in spreadsheets, and are read back as they were."""

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


def read_table(path: Path, needed: Sequence[str] = ()) -> list[dict[str, str]]:
    """The rows of a table by the names of its columns.

    Args:
        path: The file.
        needed: Columns that it must have.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedStoreError: It is not a table of at most 2 GiB, a row has other columns than the header, or a column is missing.
    """
    names, lines = _read(path)
    _check_columns(path, names, needed)
    return [dict(zip(names, line, strict=True)) for line in lines]


def read_columns(path: Path, wanted: Sequence[str]) -> list[tuple[str, ...]]:
    """Some columns of a table, each from its first row to its last one; much quicker than `read_table` for many rows.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedStoreError: As in `read_table`, or a column is missing.
    """
    names, lines = _read(path)
    _check_columns(path, names, wanted)
    return [tuple(line[place] for line in lines) for place in map(names.index, wanted)]


def _check_columns(path: Path, names: Sequence[str], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in names]
    if missing:
        raise DamagedStoreError(f"{path} is not a table that a run has: it has no column {missing[0]!r}.")


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header and the rows, with as many cells each; empty lines are left out."""
    try:
        text = read_regular(path, _MAX_BYTES).decode("utf-8-sig")  # a spreadsheet may have saved it
        header, *rows = csv.reader(io.StringIO(text, newline="")) if text else ([],)
        lines = [row for row in rows if row]
    except FileNotFoundError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise DamagedStoreError(f"{path} is not a table that a run has: {error}") from error
    wrong = next((line for line in lines if len(line) != len(header)), None)
    if wrong is not None:
        raise DamagedStoreError(
            f"{path} is not a table that a run has: a row has {len(wrong)} cells, the header has {len(header)}."
        )
    if "'" in text:  # without one no text was made safe, and none has to be made what it was
        lines = [list(map(from_cell, line)) for line in lines]
    return [from_cell(name) for name in header], lines
