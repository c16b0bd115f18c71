"""The CSV tables of a run: history.csv and predictions.csv.

Spreadsheets run a cell that starts with `=`, `+`, `-` or `@` as a formula, and the names of files and classes may come from anywhere.
Such a text is written with an apostrophe before it, which spreadsheets read as "this is text", and read back without it.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import DamagedStoreError
from pipeline.files import read_regular

_MAX_BYTES = 2**31
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")


def as_cell(value: Any) -> Any:
    """A value as a cell that no spreadsheet takes for a formula; numbers stay as they are."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def from_cell(text: str) -> str:
    """The text that `as_cell` made a cell of."""
    return text[1:] if _QUOTED.match(text) else text


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
        return [dict(zip(names, map(from_cell, line), strict=True)) for line in lines if line]
    except FileNotFoundError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise DamagedStoreError(f"{path} is not a table that a run has: {error}") from error
