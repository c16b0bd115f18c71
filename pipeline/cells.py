"""Texts in tables that people open in a spreadsheet.

Spreadsheets run a cell that begins with `=`, `+`, `-`, `@`, a tab or a carriage return as a formula (OWASP, "CSV injection"), and the names of files
and classes may come from anywhere. Such a text is written with an apostrophe before it, which spreadsheets read as "this is text".
"""

import re
from typing import Any

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")


def as_cell(value: Any) -> Any:
    """A value as a cell that no spreadsheet takes for a formula; numbers stay as they are."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def from_cell(text: str) -> str:
    """The text that `as_cell` made a cell of."""
    return text[1:] if _QUOTED.match(text) else text
