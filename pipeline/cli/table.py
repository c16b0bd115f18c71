"""Rows as aligned columns of text."""

import io
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import click

_WIDTH = 10_000
"""Of a table, in characters: no cell is ever wrapped, whatever the terminal's width, so that tables can be piped."""


def table(rows: Sequence[Mapping[str, Any]], *, best: Collection[int] = ()) -> str:
    """Rows as aligned columns, numbers to the right, `-` for missing values; the best rows in bold, which `terminal.write` takes out of pipes."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = list(dict.fromkeys(name for row in rows for name in row))
    texts = [{name: _cell(row.get(name)) for name in names} for row in rows]
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for name in names:
        is_number = all(row[name][:1].isdigit() or row[name] in ("", "-") for row in texts)
        grid.add_column(Text(name.replace("_", " ")), justify="right" if is_number else "left", no_wrap=True)
    for row in texts:
        grid.add_row(*map(Text, row.values()))
    # Width and height are given, so that rich asks neither the terminal nor the environment.
    console = Console(file=io.StringIO(), color_system=None, width=_WIDTH, height=_WIDTH)
    console.print(grid)
    header, *lines = (line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]
    return "\n".join(
        [header, *(click.style(line, bold=True) if number in best else line for number, line in enumerate(lines))]
    )


def _cell(value: Any) -> str:
    """Text of one line."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return " ".join(text.splitlines())
