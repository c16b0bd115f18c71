"""Numbers as people write them: with a currency or a unit, thousands, and a point or a comma for decimals.

`1,250` may be 1250 or 1.25. The other numbers of its column say which: `0,5` has a decimal comma, `1.5` and `12,345.6` a decimal point.
"""

import math
import re
from collections.abc import Iterable

_MEASURED = re.compile(
    r"(?P<before>[$€£¥]?\s?)(?P<number>[-+]?\d[\d.,]*(?:e[-+]?\d+)?)(?P<unit>\s?[a-z%€$£°²³]{0,4})", re.IGNORECASE
)
_GROUPS = re.compile(r"[-+]?[1-9]\d{0,2}([.,]\d{3})+")
"""Numbers that may have thousands: `1,250`, and not `0,125` or `12,5`."""

_HUNDREDS, _LONG = re.compile(r"[-+]?[1-9]\d{2}"), re.compile(r"[-+]?\d{4,}")
"""Whole numbers just too small for thousands, and ones that are written without a mark for them."""


def number_of(text: str) -> float | None:
    """The number in a text with a decimal point, or none."""
    try:
        value = float(text) if text[-1:].isdigit() or text[-1:] == "." else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def as_numbers(labels: Iterable[str]) -> dict[str, float | None]:
    """The number in each label; None for all that are no numbers with the same currency and unit as the first one."""
    found = {label: _MEASURED.fullmatch(label) for label in labels}
    matches = [match for match in found.values() if match]
    around = (matches[0]["before"].strip(), matches[0]["unit"].strip()) if matches else ()
    mark = _decimal_mark([match["number"] for match in matches])
    return {
        label: number_of(_with_point(match["number"], mark))
        if match and (match["before"].strip(), match["unit"].strip()) == around
        else None
        for label, match in found.items()
    }


def doubtful_number(labels: Iterable[str]) -> str | None:
    """A label such as `1,250` in a column in which nothing says whether its mark is for thousands or for decimals; None if there is none.

    A point is in doubt beside whole numbers such as `950`: one who writes three decimals writes them there, too.
    """
    numbers = {label: match["number"] for label in labels if (match := _MEASURED.fullmatch(label))}
    if any(map(_mark_in, numbers.values())):
        return None
    is_grouped = any(map(_HUNDREDS.fullmatch, numbers.values())) and not any(map(_LONG.fullmatch, numbers.values()))
    marks = ",." if is_grouped else ","
    return next((label for label, number in numbers.items() if any(mark in number for mark in marks)), None)


def _decimal_mark(numbers: Iterable[str]) -> str | None:
    """The decimal mark of a column, if its numbers show one, and one only."""
    marks = {mark for number in numbers if (mark := _mark_in(number))}
    return marks.pop() if len(marks) == 1 else None


def _mark_in(number: str) -> str | None:
    """The decimal mark that a number shows: the last of two different ones, or one that cannot be for thousands."""
    points, commas = number.count("."), number.count(",")
    if points and commas:
        return "." if number.rindex(".") > number.rindex(",") else ","
    if points + commas > 1:  # 1,250,000
        return "," if points else "."
    if points + commas == 0 or _GROUPS.fullmatch(number):
        return None
    return "." if points else ","


def _with_point(number: str, mark: str | None) -> str:
    """A number as Python reads it. Where its column shows no decimal mark, or two, a comma before three digits is for thousands."""
    own = mark or _mark_in(number) or "."
    other = "," if own == "." else "."
    if other in number and not _GROUPS.fullmatch(number.partition(own)[0]):
        return ""
    return number.replace(other, "").replace(own, ".")
