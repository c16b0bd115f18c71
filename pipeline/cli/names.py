r"""Names and labels in the terminal: control characters are shown, not obeyed.

A file, a class, a shard or a label of an exported file can be called anything, also `\x1b]0;...\x07`, by which a terminal changes its
title, or worse. Characters that reverse the order of what follows can make one name look like another.
"""

import re
from collections.abc import Mapping
from typing import Any

# C0 without the line feed, DEL and C1; the separators of lines and paragraphs; marks and overrides of the direction of text.
_CONTROLS = "\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_CONTROL = re.compile(f"[{_CONTROLS}]")
_CONTROL_OR_LINE = re.compile(f"[\n{_CONTROLS}]")
_IN_RESULT = re.compile(rf"\x1b\[\d+m|[{_CONTROLS}]")
_OWN_STYLES = re.compile(r"\x1b\[(?:0|1|31|33)m")


def visible(text: str) -> str:
    r"""A text of one or more lines whose control characters are shown as `\x1b`; line feeds stay."""
    return _CONTROL.sub(_escape, text)


def visible_name(text: str) -> str:
    r"""A name: of one line, so a line feed is shown too, as `\n`."""
    return _CONTROL_OR_LINE.sub(_escape, text)


def visible_result(text: str) -> str:
    """A rendered result, in which only the styles of this program are left."""
    return _IN_RESULT.sub(lambda found: found[0] if _OWN_STYLES.fullmatch(found[0]) else visible(found[0]), text)


def with_visible_names(value: Any) -> Any:
    """A result as plain values, with all its texts as names, the keys too."""
    if isinstance(value, str):
        return visible_name(value)
    if isinstance(value, Mapping):
        return {with_visible_names(key): with_visible_names(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [with_visible_names(entry) for entry in value]
    return value


def escape_json(text: str) -> str:
    r"""A JSON text in which control characters that JSON leaves as they are are escaped, as `\u009b`: it has the same value."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escape(found: "re.Match[str]") -> str:
    character = found[0]
    if character in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[character]
    return f"\\x{ord(character):02x}" if ord(character) < 256 else f"\\u{ord(character):04x}"
