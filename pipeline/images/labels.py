"""Labels as people write them: what is no label, spellings of one label, several labels in one field, and numbers."""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from html import unescape

from pipeline.errors import DataLayoutError
from pipeline.images.label_lists import parts_of_list
from pipeline.images.numbers import as_numbers, number_of
from pipeline.tasks.multilabel import NOTHING

NO_LABEL = frozenset(
    [
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "NaT",
        "None",
        "n/a",
        "nan",
        "null",
        "",
    ]
)
"""Texts that mean a missing value, as `pandas.read_csv` reads them."""

LEAST_NUMBERS = 20
"""So many different numbers as labels raise the question whether they are measured values."""

_MANY_EACH = 20
"""With so many images of each, whole numbers may be classes, and dates too."""

PLACEHOLDERS = frozenset(
    [
        *("?", "??", "-", "--", "—", "...", "…", "none", "nan", "na", "n.a.", "null", "nil", "nat"),
        *(
            "unknown",
            "unlabeled",
            "unlabelled",
            "no label",
            "not labeled",
            "not labelled",
            "missing",
            "undefined",
            "tbd",
            "todo",
        ),
    ]
)
"""Texts that may stand for a missing label, in small letters; they are classes, with a warning."""

_OUTSIDE, _MOST_CLASSES = frozenset([-1.0, 255.0, 999.0, 9999.0, 65535.0]), 100
"""Numbers that stand for no class: -1, and in arrays without a sign the largest, beside classes that are numbered below 100."""

_STRONG, _WEAK = ("|", ";", "\n"), (",", "+", "&", "/", " and ")
_INVISIBLE = "\0\u200b\u200c\u200d\u2060\ufeff"
_EXCEL_ERRORS = ("#REF!", "#DIV/0!", "#NAME?", "#VALUE!", "#NUM!", "#NULL!")
_QUOTES = "'\"`\u201c\u201d\u2018\u2019"
_GAPS = re.compile(r"[\s_.\u2010-\u2015\u2212-]+")
"""What stands between words: spaces, dots and dashes of all kinds."""

_ZEROS = re.compile(r"(?<![\d.,])0+(?=\d)")
"""Zeros in front of a number: `class 01`."""

_ALIKE = str.maketrans("асеорхуіјһԁԛѕкмтнвαορνικ", "aceopxyijhdqskmthbaopvik", _QUOTES)
"""Small letters of the Cyrillic and Greek alphabets that look like Latin ones; and no quotes."""

_TIME = r"\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?"
_DATE = re.compile(
    rf"((\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{4}})([T ]{_TIME})?)|{_TIME}"
)


def plain_texts(values: Sequence[object]) -> list[str | None]:
    """A column as texts, with None for missing values.

    Whole floats become integers if values are missing, as pandas makes floats of a column of integers with a gap, and beside values of
    another type. A list of one value is that value; a longer one is joined by `|`.
    """
    floats = [value for value in values if isinstance(value, float)]
    may_be_whole = len(floats) < len(values) or any(map(math.isnan, floats))
    is_whole = may_be_whole and all(value.is_integer() for value in floats if not math.isnan(value))
    return [
        _plain(int(value) if is_whole and isinstance(value, float) and math.isfinite(value) else value)
        for value in values
    ]


def _plain(value: object) -> str | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if hasattr(value, "tolist") and not isinstance(value, str | bytes):  # an array, or a number of numpy
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set):
        return "|".join(filter(None, map(_plain, value))) or NOTHING
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


def label_text(text: str | None) -> str | None:
    """A label in Unicode's composed form and without spaces around it; None for a missing value.

    The text of a list, such as `['cat', 'dog']`, becomes `cat|dog`, as lists do in `plain_texts`, and an empty one `(none)`.
    """
    text = None if text is None else clean_text(text)
    if text == "[]":
        return NOTHING
    if text and (parts := parts_of_list(text)) is not None:
        text = "|".join(filter(None, map(clean_text, parts)))
    return None if not text or text in NO_LABEL or text in _EXCEL_ERRORS else text


def clean_text(text: str) -> str:
    """A text in Unicode's composed form and without spaces or invisible characters around it."""
    text = text.strip().strip(_INVISIBLE).strip()
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def natural_key(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """A sorting key by which `class2` comes before `class10`: runs of digits 0 to 9 count as numbers, which come before letters."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    # Numbers are compared by length, then as text: `int` refuses thousands of digits.
    digits = (part.lstrip("0") if part[0] in "0123456789" else None for part in parts)
    key = tuple(
        (1, 0, part) if number is None else (0, len(number), number) for part, number in zip(parts, digits, strict=True)
    )
    return key, text  # texts such as `1` and `01` have equal numbers


def spellings(labels: Iterable[str | None]) -> list[list[tuple[str, int]]]:
    """Labels that differ in case, spaces, dots, dashes, quotes, accents or zeros of a number only, with counts: `Cats` and `cats`."""
    counts = Counter(label for label in labels if label is not None)
    found: dict[object, list[tuple[str, int]]] = defaultdict(list)
    for label, count in counts.items():
        number = number_of(label)
        found[_bare(label) if number is None else number].append((label, count))
    return [sorted(group) for group in found.values() if len(group) > 1]


def _bare(label: str) -> str:
    """A label without the differences that people overlook."""
    letters = unicodedata.normalize("NFKD", _mended(label).casefold()).translate(_ALIKE)
    is_plain = letters.isascii()
    plain = letters if is_plain else "".join(char for char in letters if unicodedata.category(char) not in ("Mn", "Cf"))
    words = " ".join(_GAPS.split(_ZEROS.sub("", plain)))
    return re.sub(r" (?!\d)|(?<!\d) ", "", words) or label  # `1 1` is not `11`


def _mended(label: str) -> str:
    """A label whose letters were written as HTML, or read in another encoding than they were written in (`cafÃ©`)."""
    label = unescape(label)
    try:
        return label if label.isascii() else label.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return label


def placeholders(labels: Iterable[str | None]) -> list[tuple[str, int]]:
    """Labels that may stand for a missing one, with their counts: `?`, `none`, `-1` beside the numbers from 0 on, or `255` far above them."""
    counts = Counter(label for label in labels if label is not None)
    found = [(label, count) for label, count in counts.items() if label.casefold() in PLACEHOLDERS]
    numbers = {label: number_of(label) for label in counts}
    for odd, value in numbers.items():
        if value is None or value not in _OUTSIDE:
            continue
        most = math.inf if value < 0 else _MOST_CLASSES
        others = [number for label, number in numbers.items() if label != odd]
        if len(others) > 1 and all(number is not None and 0 <= number < most for number in others):
            found.append((odd, counts[odd]))
    return found if len(counts) > len(found) + 1 else []


def may_divide(separator: str, names: Collection[str]) -> bool:
    """Whether a mark that all of these names contain may separate labels; not so in codes such as `/m/01yrx`, whose first part is empty."""
    return bool(names) and not (separator == "/" and any("" in name.split(separator) for name in names))


def several_labels(classes: Collection[str], *, are_fields: bool = True) -> tuple[str, str] | None:
    """Separator and an example, if the classes look like combinations of several labels: `cat|dog`, `indoor cat night`.

    Names with a comma or spaces are common (`tabby, tabby cat`), so these count only where few parts are combined to many classes.

    Args:
        classes: Names.
        are_fields: They are fields of a table, in which people separate labels by spaces too; not so in the name of a folder.
    """
    known = frozenset(classes)
    for separator in (*_STRONG, *_WEAK, *([" "] if are_fields else [])):
        combined = [name for name in classes if separator in name]
        if not may_divide(separator, combined):
            continue
        parts = {name: [part for part in map(str.strip, name.split(separator)) if part] for name in classes}
        used = Counter(part for names in parts.values() for part in set(names))
        is_reused = any(used[part] > 1 for name in combined for part in parts[name])
        stands_alone = any(part in known for name in combined for part in parts[name])
        if separator in _STRONG:
            found = is_reused
        elif separator in _WEAK:
            found = len(used) < len(classes) or (stands_alone and len(used) <= len(classes))
        else:
            found = 1.5 * len(used) <= len(classes) and len({len(names) for names in parts.values()}) > 1
        if found:
            return separator, combined[0]
    return None


def measured_values(labels: Sequence[str]) -> str | None:
    """`sure` if the labels look like measured values (a price, an age), `perhaps` if they could be; None for classes.

    All may have one currency before them, or one unit behind them. Numbers that count from 0 or 1, and codes such as `007`, are classes.
    """
    counts = Counter(labels)
    numbers = as_numbers(counts)
    values = [value for value in numbers.values() if value is not None]
    if len(values) < len(counts) or any(len(name) > 1 and name[0] == "0" and name.isdigit() for name in counts):
        return None
    distinct = sorted(set(values))
    whole = all(value.is_integer() for value in distinct)
    each = len(labels) / max(1, len(distinct))
    if whole and (
        len(distinct) < LEAST_NUMBERS or (distinct[0] in (0, 1) and distinct[-1] - distinct[0] < len(distinct))
    ):
        return None
    if not whole and len(distinct) < LEAST_NUMBERS and (len(distinct) < 10 or each >= 5):
        return None
    return "sure" if each < _MANY_EACH or not whole else "perhaps"


def are_dates(labels: Sequence[str]) -> bool:
    """Whether all labels are dates or times, many of them different and few of each: when an image was made, and not what it shows."""
    distinct = set(labels)
    is_many = len(distinct) >= LEAST_NUMBERS and len(labels) < _MANY_EACH * len(distinct)
    return is_many and all(map(_DATE.fullmatch, distinct))


def listed(names: Sequence[object], count: int = 5) -> str:
    """The first names in words, and how many more there are."""
    more = f" and {len(names) - count:,} more" if len(names) > count else ""
    return ", ".join(map(str, names[:count])) + more


def counted(counts: Iterable[tuple[str, int]]) -> str:
    """Names with their counts: `'Cats' (3), 'cats' (7)`."""
    return ", ".join(f"{name!r} ({count:,})" for name, count in counts)


def missing_spellings(raw: Iterable[object]) -> Mapping[str, int]:
    """Texts that are read as no label, with their counts; empty ones are left out."""
    texts = (value.strip() for value in raw if isinstance(value, str))
    return Counter(text for text in texts if text and (text in NO_LABEL or text in _EXCEL_ERRORS))


def check_classes(labels: Sequence[str], *, are_fields: bool = True) -> None:
    """Check that labels are names of classes.

    Args:
        labels: Of each image.
        are_fields: They come from a column of a table.

    Raises:
        DataLayoutError: They look like several labels in one field, or like numbers to predict.
    """
    classes = list(dict.fromkeys(labels))
    if several := several_labels(classes, are_fields=are_fields):
        separator, example = several
        raise DataLayoutError(
            f"Labels such as {example!r} look like several labels of one image, separated by {separator!r}. Is a multi-label "
            "task meant? Use --task multilabel. If each of these texts is one class, use --task classification. For a column of each "
            "question, choose them with --label."
        )
    if are_dates(labels):
        raise DataLayoutError(
            f"The labels are {len(classes)} different dates or times ({listed(classes, 3)}). Is this the column of the labels? Choose "
            "another one with --label, or make a column of periods (such as 'January' or 'morning') and choose that one. If each date is "
            "a class, use --task classification."
        )
    if measured_values(labels) == "sure":
        raise DataLayoutError(
            f"The labels are {len(classes)} different numbers ({listed(classes, 3)}). Is regression meant? Use --task regression. "
            "If each number is a class, use --task classification. For ranges, make a column of them (such as 'below 100', '100 to 200') "
            "and choose it with --label."
        )
