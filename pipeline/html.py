"""HTML for notebooks. Every text is escaped, so names of files and classes stay text."""

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Protocol, TypeVar


class _HasRow(Protocol):
    def as_row(self) -> dict[str, Any]:
        """What a table shows of it."""


Entry = TypeVar("Entry", bound=_HasRow)

_NUMBER = re.compile(r"[+-]?\d[\d,]*(\.\d+)?")

_LISTED = 6
"""Entries that a listing names when it is printed."""


def show_table(rows: Sequence[Mapping[str, object]], caption: str = "") -> str:
    """A table with one row per mapping, and one column per key in the order in which keys first appear.

    Args:
        rows: Values by column. The floats of a column have the same number of decimals: 4 if all are between -1 and 1, otherwise 2, or
            none if one of them is 1,000 or more. None and missing values are empty cells.
        caption: A text above the table.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    sides = {name: _side(values) for name, values in columns.items()}
    head = "".join(f'<th scope="col" style="text-align: {sides[name]}">{escape(name)}</th>' for name in names)
    texts = {name: [_text(value, _decimals(values)) for value in values] for name, values in columns.items()}
    cells = [
        [f'<td style="text-align: {sides[name]}">{escape(texts[name][at])}</td>' for name in names]
        for at in range(len(rows))
    ]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in cells)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def show_facts(facts: Mapping[str, object]) -> str:
    """A table with one line per fact: its name and its value."""
    rows = "".join(
        f'<tr><th scope="row" style="text-align: left">{escape(name)}</th>'
        f'<td style="text-align: left">{escape(_text(value, _decimals([value])))}</td></tr>'
        for name, value in facts.items()
    )
    return f"<table><tbody>{rows}</tbody></table>"


class Listing(list[Entry]):
    """A list that a notebook shows as a table: one row per entry, of what its `as_row` gives. Printed, it has the first column."""

    def __repr__(self) -> str:
        names = [str(next(iter(entry.as_row().values()))) for entry in self[:_LISTED]]
        listed = ", ".join([*names, *(["..."] if len(self) > _LISTED else [])])
        return f"<{len(self)} entries{': ' * bool(self)}{listed}>"

    def _repr_html_(self) -> str:
        return show_table([entry.as_row() for entry in self]) if self else "<p>None.</p>"


def show_png(path: Path, alternative: str) -> str:
    """A PNG file as an image inside the page.

    Args:
        path: The file.
        alternative: A text for readers that show no images.

    Raises:
        OSError: The file cannot be read.
    """
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img src="data:image/png;base64,{data}" alt="{escape(alternative)}" style="max-width: 100%">'


def _side(values: Sequence[object]) -> str:
    """Numbers are to the right, also as text (`+0.1`); names that are all digits, such as those of classes, are not."""
    given = [value for value in values if value is not None]
    texts = [value for value in given if isinstance(value, str)]
    are_numbers = all(_is_number(value) or (isinstance(value, str) and _NUMBER.fullmatch(value)) for value in given)
    return "right" if given and are_numbers and not (texts and all(map(str.isdigit, texts))) else "left"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _decimals(values: Sequence[object]) -> int:
    largest = max((abs(value) for value in values if isinstance(value, float)), default=0.0)
    return 4 if largest <= 1 else 2 if largest < 1000 else 0


def _text(value: object, decimals: int) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.{decimals}f}"
    return f"{value:,}" if _is_number(value) else str(value)
