"""HTML for notebooks. Every text is escaped, so names of files and classes stay text."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path


def show_table(rows: Sequence[Mapping[str, object]], caption: str = "") -> str:
    """A table with one row per mapping, and one column per key in the order in which keys first appear.

    Args:
        rows: Values by column. Floats are shown with 4 significant digits; None and missing values as empty cells.
        caption: A text above the table.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row))
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(_cell(row.get(column)) for column in columns)}</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


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


def _cell(value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    style = ' style="text-align: right"' if number else ' style="text-align: left"'
    return f"<td{style}>{escape(_text(value))}</td>"


def _text(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
