"""From columns of labels to the answers of one task: a class, several labels, or numbers for each image.

The kind of the task is found where it is plain, and asked for where it is not (`pipeline.images.labels.check_classes`).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.errors import DataLayoutError
from pipeline.images.labels import (
    counted,
    label_text,
    listed,
    may_divide,
    measured_values,
    missing_spellings,
    natural_key,
    several_labels,
)
from pipeline.images.numbers import as_numbers, doubtful_number
from pipeline.tasks.multilabel import NOTHING, SEPARATOR, UNKNOWN
from pipeline.tasks.regression import SEPARATOR as BETWEEN_NUMBERS

Texts = Sequence[str | None]

_YES, _NO = frozenset(["1", "1.0", "true", "t", "yes", "y"]), frozenset(["0", "0.0", "false", "f", "no", "n"])
_DOUBT = frozenset(["-1", "-1.0"])
"""Not known, beside 0 and 1: the mark of CheXpert and others. Where there is no 0, it is no: the mark of CelebA."""

_IN_VECTORS = frozenset(["1", "1.0", "True", "true", "0", "0.0", "False", "false"])
"""Those of a list with one for each label; `yes` and `n` may be labels themselves."""

_STAND_INS = frozenset([-1.0, -9.0, -99.0, -999.0, -9999.0, 999.0, 9999.0, 99999.0])
"""Numbers that are often written where none is known."""

_ENOUGH_NUMBERS, _FAR = 5, 100
"""A number may be a mistake if it is so many times as far from the others as they are from each other, and there are some."""

_PLAIN = ("|", ";", "\n")
"""Separators that names of classes do not have: fields with them are several labels, if a part comes twice."""

_SEPARATORS = (*_PLAIN, ",", "+", "&", "/")


@dataclass(frozen=True)
class Answers:
    """The answer of each image as a text, and what kind of task they belong to."""

    labels: tuple[str | None, ...]
    """As the tasks read them (`Task.encode`); None where nothing is known."""

    kind: str | None = None
    """`multilabel` or `regression`; `classification` if the user said so; None: classes, unless they look like something else."""

    names: tuple[str, ...] = ()
    """Names of the labels or columns, if the data names them; empty: they are those that occur."""

    questions: tuple[str, ...] = ()
    """Columns that are a question each; there are no labels then."""

    notes: tuple[str, ...] = ()
    """What was found out about them: a sentence each."""


def answers_of(columns: Mapping[str, Texts], kind: str | None = None, *, are_fields: bool = True) -> Answers:
    """The answers in one or several columns of equal length.

    Args:
        columns: Texts by the name of the column, in the order that the user named them.
        kind: What the user asks for; None: it is found.
        are_fields: They are fields of a table, where `None` and `NA` mean that there is no label; as the name of a folder they are one.

    Raises:
        DataLayoutError: A text is no answer of this kind, or the name of a column cannot be one of a label.
    """
    if not are_fields:
        return _answers({name: list(column) for name, column in columns.items()}, kind)
    found = _answers({name: [label_text(text) for text in column] for name, column in columns.items()}, kind)
    return replace(found, notes=(*_notes_on_missing(columns), *found.notes))


def _notes_on_missing(columns: Mapping[str, Texts]) -> list[str]:
    """A sentence for each column with texts that are read as no label, and could be the names of classes."""
    found = {name: missing_spellings(column) for name, column in columns.items()}
    return [
        f"Values of the column {name!r} that mean no label: {counted(missing.items())}. If one of them is a class, give it another "
        "name, such as 'Namibia' for 'NA'."
        for name, missing in found.items()
        if missing
    ]


def _answers(plain: Mapping[str, list[str | None]], kind: str | None) -> Answers:
    """As `answers_of`, for labels without spaces around them, and None for missing ones."""
    if len(plain) == 1:
        return _of_one(*next(iter(plain.items())), kind)
    if kind == "regression":
        return _numbers(plain)
    if kind == "multilabel" or (kind is None and all(map(is_yes_or_no, plain.values()))):
        return _flags(plain, is_found=kind is None)
    count = len(next(iter(plain.values())))
    return Answers((None,) * count, questions=tuple(plain))


def _of_one(name: str, column: list[str | None], kind: str | None) -> Answers:
    """The answers in one column."""
    known = [text for text in column if text is not None]
    if kind is None and (separator := _plain_separator(set(known))):
        note = (
            f"{name!r} has several labels for each image, separated by {separator!r} (--task multilabel). If each text is one class: "
            "--task classification."
        )
        return _fields(name, column, separator, note)
    if kind is None and _are_measured(known):
        note = f"{name!r} has numbers (--task regression). If each number is a class: --task classification."
        return _numbers({name: column}, note)
    if kind == "multilabel":
        separator = _separator_of(set(known))
        return _fields(name, column, separator, *_note_on_separator(name, known, separator))
    if kind == "regression":
        return _numbers({name: column})
    return Answers(tuple(None if text == NOTHING else text for text in column), kind)


def _plain_separator(fields: set[str]) -> str | None:
    """What separates labels, if it is plain: a mark that names do not have, with one label here and several there."""
    found = several_labels(fields)
    counts = {len(text.split(found[0])) for text in fields} if found and found[0] in _PLAIN else set()
    return found[0] if found and len(counts) > 1 else None


def _are_measured(texts: list[str]) -> bool:
    """Whether texts are plainly measured values: many different numbers, and not all of them whole."""
    if measured_values(texts) != "sure":
        return False
    return not all(value is not None and value.is_integer() for value in as_numbers(texts).values())


def _separator_of(fields: set[str]) -> str | None:
    """What separates the labels of a field; None if each field is one label."""
    found = several_labels(fields)
    with_marks = {mark: [text for text in fields if mark in text] for mark in _SEPARATORS}
    return found[0] if found else next((mark for mark, texts in with_marks.items() if may_divide(mark, texts)), None)


def _note_on_separator(name: str, known: Sequence[str], separator: str | None) -> list[str]:
    """A sentence on a mark that names of labels may have, too, with the first field that is divided at it; or none."""
    first = next((text for text in known if separator is not None and separator in text), "")
    if separator in (None, *_PLAIN) or not first or several_labels(set(known)):
        return []
    parts = " and ".join(repr(part.strip()) for part in first.split(separator)[:2])
    divided = f"The fields of {name!r} are divided at {separator!r}: {first!r} has the labels {parts}."
    return [f"{divided} If this is one label, write it without this mark."]


def _fields(name: str, column: list[str | None], separator: str | None, *notes: str) -> Answers:
    """Several labels in one field; `?dog` says that it is not known whether there is a dog."""
    texts = dict.fromkeys(text for text in column if text is not None)
    if separator is not None and (vectors := _vectors(texts, separator)):
        rows = [None if text is None else vectors[text] for text in column]
        count = len(next(iter(vectors.values())))
        return _flags({str(k): [None if row is None else row[k] for row in rows] for k in range(count)}, is_found=False)
    if separator is not None:
        notes += tuple(_notes_on_missing({name: [part for text in column if text for part in text.split(separator)]}))
    parts = {text: _parts(text, separator) for text in texts}
    _check_names(repr(name), {part.removeprefix(UNKNOWN) for each in parts.values() for part in each})
    joined = {text: SEPARATOR.join(each) or NOTHING for text, each in parts.items()}
    return Answers(tuple(None if text is None else joined[text] for text in column), "multilabel", notes=notes)


def _vectors(texts: Collection[str], separator: str) -> dict[str, list[str]]:
    """Texts such as `1|0|1`, `1.0|0.0` and `True|False` as vectors of yes and no; empty if they are none."""
    found = {text: [part.strip() for part in text.split(separator)] for text in texts}
    is_flags = all(part in _IN_VECTORS for parts in found.values() for part in parts)
    return found if is_flags and len({len(parts) for parts in found.values()}) == 1 else {}


def _parts(text: str, separator: str | None) -> list[str]:
    """The labels of a field, each once, sorted as people count."""
    if text == NOTHING:
        return []
    given = [text] if separator is None else text.split(separator)
    parts = dict.fromkeys(part for part in map(label_text, given) if part is not None)
    return sorted(parts, key=natural_key)


def _flags(columns: Mapping[str, list[str | None]], *, is_found: bool) -> Answers:
    """A column of yes and no for each label."""
    _check_names("the table", set(columns))
    marks, is_signed = {}, _are_signed(columns)
    for name, column in columns.items():
        wrong = next((text for text in column if text is not None and not _is_flag(text)), None)
        if wrong is not None:
            raise DataLayoutError(
                f"A label column has 1 and 0 (or yes and no), and nothing or -1 where it is not known. Received: {wrong!r} in {name!r}. "
                "For a head for each column, use --task classification or leave out --task."
            )
        marks[name] = [_mark(name, "0" if is_signed and text in _DOUBT else text) for text in column]
    labels = []
    for row in zip(*marks.values(), strict=True):
        is_known = any(not mark.startswith(UNKNOWN) for mark in row)
        labels.append((SEPARATOR.join(mark for mark in row if mark) or NOTHING) if is_known else None)
    shown = f"The columns {listed(list(map(repr, columns)))}"
    found = f"{shown} are labels of one task (--task multilabel). For a head for each: --task classification."
    signed = (
        f"{shown} have 1 and -1, and no 0: -1 is read as no. If it means that it is not known, leave these cells empty."
    )
    notes = [*([found] if is_found else []), *([signed] if is_signed else [])]
    return Answers(tuple(labels), "multilabel", tuple(columns), notes=tuple(notes))


def _are_signed(columns: Mapping[str, list[str | None]]) -> bool:
    """Whether -1 means no: there is nothing else for it in any column, neither a 0 nor an empty cell."""
    texts = {None if text is None else text.casefold() for column in columns.values() for text in column}
    return bool(texts & _DOUBT) and bool(texts & _YES) and texts <= _YES | _DOUBT


def _mark(name: str, text: str | None) -> str:
    value = "-1" if text is None else text.casefold()
    return name if value in _YES else "" if value in _NO else f"{UNKNOWN}{name}"


def _is_flag(text: str) -> bool:
    return text.casefold() in _YES | _NO | _DOUBT


def is_yes_or_no(column: Texts) -> bool:
    """Whether all texts of a column are 1 and 0, yes and no, or -1 where it is not known."""
    known = {text for text in column if text is not None}
    return bool(known) and all(map(_is_flag, known))


def _check_names(where: str, names: set[str]) -> None:
    wrong = next(
        (
            name
            for name in sorted(names)
            if not name or SEPARATOR in name or name.startswith(UNKNOWN) or name == NOTHING
        ),
        None,
    )
    if wrong is not None:
        raise DataLayoutError(
            f"The name of a label has no {SEPARATOR!r} and does not begin with {UNKNOWN!r}, which mark several labels and unknown ones. "
            f"Received: {wrong!r} in {where}. Rename it."
        )


def _numbers(columns: Mapping[str, list[str | None]], *notes: str) -> Answers:
    """Numbers, with a point or a comma, in one currency or unit for each column."""
    texts = []
    for name, column in columns.items():
        known = [text for text in column if text is not None]
        numbers = as_numbers(known)
        if (doubtful := doubtful_number(known)) and numbers[doubtful] is not None:
            cure = "comma is for decimals, write points" if "," in doubtful else "point is for thousands, leave it out"
            notes += (f"{doubtful!r} in the column {name!r} is read as {numbers[doubtful]:g}. If its {cure}.",)
        notes += _note_on_stand_ins(name, known, numbers)
        wrong = next((text for text, value in numbers.items() if value is None), None)
        if wrong is not None:
            raise DataLayoutError(
                f"A regression needs numbers, in one unit. Received: {wrong!r} in the column {name!r}. Remove units and marks, leave cells "
                "without a number empty, or use --task classification."
            )
        texts.append([_digits(None if text is None else numbers[text]) for text in column])
    labels = [BETWEEN_NUMBERS.join(row) if any(row) else None for row in zip(*texts, strict=True)]
    return Answers(tuple(labels), "regression", tuple(columns), notes=notes)


def _note_on_stand_ins(name: str, known: Sequence[str], numbers: Mapping[str, float | None]) -> tuple[str, ...]:
    """A sentence on a number that is far from all others: -1 or 999, which may stand where none is known, or a mistake; or none."""
    texts = {value: text for text, value in numbers.items() if value is not None}
    ordered = sorted(texts)
    for value, rest in ((ordered[0], ordered[1:]), (ordered[-1], ordered[:-1])) if len(ordered) > 1 else ():
        low, high, text = rest[0], rest[-1], texts[value]
        seen = f"{known.count(text):,} of {len(known):,} numbers in the column {name!r} are {text}, and all others are"
        if value in _STAND_INS and (high < value / 10 if value > 0 else low >= 0):
            how = "far below" if value > 0 else "not negative"
            return (f"{seen} {how}. If it means that the number is not known, leave these cells empty.",)
        if len(rest) >= _ENOUGH_NUMBERS and max(value - high, low - value) > _FAR * (high - low):
            return (f"{seen} from {low:g} to {high:g}. If it is a mistake, mend it or leave the cell empty.",)
    return ()


def _digits(value: float | None) -> str:
    return "" if value is None else re.sub(r"\.0$", "", repr(value))
