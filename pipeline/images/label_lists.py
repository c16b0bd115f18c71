"""Lists of labels that became text: what Python, numpy and JSON write for several labels of one image."""

import re

_ONE = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_QUOTED = re.compile(rf"(?:{_ONE})(?:\s*,?\s*(?:{_ONE}))*\s*,?", re.DOTALL)
_NUMBERS = re.compile(r"[-+]?[\d.]+(?:\s+[-+]?[\d.]+)+")
_OTHERS = re.compile(r"""['"].*['"]|[^'"\[\]]*,[^'"\[\]]*""", re.DOTALL)
_PAIRS = {"[": "]", "(": ")", "{": "}"}


def parts_of_list(text: str) -> list[str] | None:
    """The labels in the text of a list, a tuple, a set or an array of numpy; None if it is none of these.

    `['cat', 'dog']`, `["cat"]`, `('cat',)`, `{'cat'}`, `['cat' 'dog']`, `[1, 0, 1]`, `[1 0 1]`, `[cat, dog]`
    """
    if len(text) < 3 or _PAIRS.get(text[0]) != text[-1]:
        return None
    inner = text[1:-1].strip()
    if _QUOTED.fullmatch(inner):
        return [re.sub(r"\\(['\"\\])", r"\1", part[1:-1]) for part in re.findall(_ONE, inner, re.DOTALL)]
    if text[0] != "[":
        return None
    if _NUMBERS.fullmatch(inner):
        return inner.split()
    return [part.strip(" \t'\"") for part in inner.split(",")] if _OTHERS.fullmatch(inner) else None
