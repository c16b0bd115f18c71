"""Delimited text files as people have them: commas, semicolons, tabs or bars, in the usual encodings."""

import codecs
import csv
import io
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import DataLayoutError
from pipeline.files import read_regular
from pipeline.images.files.kinds import HEAD_BYTES
from pipeline.images.files.leftovers import leftover_reason
from pipeline.images.files.limits import MAX_TEXT_BYTES, check_cells, check_memory
from pipeline.images.sources.encodings import TITLES, guess_of_table

DELIMITERS = (",", ";", "\t", "|")
_NONE = "\x1f"
"""A character that no table has: the delimiter of a single column."""

Texts = Mapping[str, Sequence[str | None]]
"""Columns of a table by name."""

_MOST_FIELDS = 1000
"""Fields from which the encoding is guessed."""

_LARGE_BYTES, _BYTES_PER_BYTE = 2**26, 8
"""From this size on it is asked whether there is memory for a table's columns: so many bytes per byte of the file."""

_MARKS = (
    *((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32")),
    *((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")),
)
_FIELD = re.compile(rb"[^,;\t\r\n\"]*[\x80-\xff][^,;\t\r\n\"]*")
_WORKBOOKS = (b"PK\3\4", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


@dataclass(frozen=True)
class Table:
    """A table that has been read."""

    texts: Texts
    warnings: tuple[str, ...] = ()


def read_delimited(path: Path, ignored: Collection[str] = ()) -> Table:
    """The columns of a delimited text file with a header; empty fields are empty texts.

    The delimiter is the one with which all lines have the fields of the header. Spreadsheets write empty fields more, and leave out
    empty ones at the end of a line: the former are dropped, the latter added, with a warning.

    Args:
        path: The file.
        ignored: Columns that are not used.

    Raises:
        DataLayoutError: It is not text in a known encoding, or a line has more fields than the header or a single one, or a quote is not closed.
    """
    text, warnings = decode_text(path)
    # Excel writes the delimiter as a first line of its own.
    text = re.sub(r"\Asep=.[\r\n]+", "", text)
    try:
        header, rows, short = _parse(text, path)
    except csv.Error as error:
        raise DataLayoutError(f"{path} is not a table of delimited text: {error}.") from error
    names = [name.strip() for name in header]
    check_cells(path, len(text), len(names) * len(rows))
    columns = dict(zip(range(len(names)), zip(*rows, strict=True), strict=False)) if rows else {}
    texts: dict[str, Sequence[str | None]] = {}
    for number, name in enumerate(names):
        column = columns.get(number, ())
        if name and name in texts and texts[name] != column and name not in ignored:
            raise DataLayoutError(
                f"{path} has two columns {name!r} with different values. Rename or remove one of them, or leave both out with "
                f"--ignore-column {shlex.quote(name)}."
            )
        texts[name] = column
    if short:
        first = f"{len(short):,} lines of {path.name} have fewer fields than the header (the first: line {short[0]})"
        warnings += (f"{first}; the missing ones, at the end, are read as empty.",)
    return Table(texts, warnings)


def head_of_table(path: Path) -> bytes:
    """The first bytes of a table, without a byte order mark and spaces.

    Raises:
        DataLayoutError: They are those of a workbook, an archive, a page of HTML, a pointer of Git LFS ...
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(_WORKBOOKS):
        raise DataLayoutError(
            f"{path} is a workbook of a spreadsheet, or an archive, and no text. Save the sheet as CSV, or unpack the archive."
        )
    left = leftover_reason(head)
    if left and not left.startswith(("text", "an image as text")):
        raise DataLayoutError(f"{path} is no table but {left}.")
    return next((head.removeprefix(mark) for mark, _ in _MARKS if head.startswith(mark)), head).lstrip()


def decode_text(path: Path, at_most: int = MAX_TEXT_BYTES) -> tuple[str, tuple[str, ...]]:
    """The text of a file in UTF-8, UTF-16 or UTF-32.

    Another file is read, with a warning, in the encoding in which its letters are plausible: Windows-1252, GBK, Shift JIS, EUC-KR, Big5 or
    Windows-1251. Where none is, it is Windows-1252.

    Raises:
        DataLayoutError: It is in none of them.
        OSError: It is not a regular file, or it is too large.
    """
    data = read_regular(path, at_most, follow_links=True)
    if len(data) > _LARGE_BYTES:
        check_memory(path, _BYTES_PER_BYTE * len(data))
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    # Without a mark, UTF-16 shows by the zero byte of every ASCII character.
    pairs = data[:200]
    if marked is None and len(pairs) >= 4 and pairs.count(0) * 3 > len(pairs):
        marked = "utf-16-le" if pairs[1::2].count(0) > pairs[::2].count(0) else "utf-16-be"
    try:
        text = data.decode(marked or "utf-8")
    except UnicodeDecodeError as error:
        if marked:
            raise DataLayoutError(f"{path} begins as {marked} and is damaged: {error}. Save it as UTF-8.") from error
    else:
        if marked:
            _check_text(text, path)
        return text, ()
    fields = list(dict.fromkeys(field.strip() for field in _FIELD.findall(data)))
    encoding = guess_of_table(fields[:_MOST_FIELDS])
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataLayoutError(
            f"{path} is not text in UTF-8, UTF-16 or {TITLES[encoding]}: {error}. Save it as UTF-8."
        ) from error
    _check_text(text, path)
    first = fields[0].decode(encoding, "replace") if fields else ""
    return text, (
        f"{path.name} is not UTF-8: it is read as {TITLES[encoding]} (the first: {first!r}). Save it as UTF-8 if letters look wrong.",
    )


def _check_text(text: str, path: Path) -> None:
    """Raise DataLayoutError if a text has characters that no text has."""
    if any(ord(character) < 9 for character in text[:HEAD_BYTES]):
        raise DataLayoutError(f"{path} is not a text file. Expected a table with a header, in UTF-8.")


def _parse(text: str, path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Header and rows with the best delimiter, one that fits all lines and gives the most columns; and the lines that were too short."""
    found: list[tuple[int, str]] = []
    for delimiter in DELIMITERS:
        header = next(_rows(text, delimiter), [])
        if len(header) > 1:
            found.append((len(header), delimiter))
    problems = []
    almost: tuple[list[str], list[list[str]], list[int]] | None = None
    for _, delimiter in sorted(found, key=lambda pair: -pair[0]):  # the sort is stable: a comma comes before a bar
        header, *rows = _rows(text, delimiter)
        _check_quotes(text, path, delimiter, rows)
        rows, short = _fitted(rows, len(header))
        wrong = next((number for number, row in enumerate(rows, start=2) if len(row) != len(header)), None)
        if wrong is None and not short:
            return header, rows, short
        if wrong is None:
            almost = almost or (header, rows, short)
        else:
            problems.append(
                f"{path}, line {wrong} does not have the {len(header)} columns of the header "
                f"(delimiter {delimiter!r}; it has {len(rows[wrong - 2])}). Put quotes around fields that contain the delimiter."
            )
    if almost:
        return almost
    if problems:
        raise DataLayoutError(problems[0])
    header, *rows = list(_rows(text, _NONE)) or [[]]
    return header, rows, []


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """The lines that have more than spaces in them."""
    return (row for row in _reader(text, delimiter) if row and (len(row) > 1 or row[0].strip()))


def _fitted(rows: list[list[str]], width: int) -> tuple[list[list[str]], list[int]]:
    """Rows without empty fields beyond the header, and with empty ones where fields are missing; and the lines that lacked some."""
    short = []
    for number, row in enumerate(rows):
        if len(row) > width and not any(map(str.strip, row[width:])):
            rows[number] = row[:width]
        elif 1 < len(row) < width:
            rows[number] = row + [""] * (width - len(row))
            short.append(number + 2)
    return rows, short


def _check_quotes(text: str, path: Path, delimiter: str, rows: Iterable[list[str]]) -> None:
    """Raise DataLayoutError if a quote that is not closed takes the lines below it into one field."""
    swallowing = next((field for row in rows for field in row if "\n" in field or "\r" in field), None)
    if swallowing is None:
        return
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True):
            pass
    except csv.Error as error:
        first, *below = swallowing.splitlines() or [""]
        raise DataLayoutError(
            f'{path} has a quote (") that is not closed: it takes {len(below):,} lines into the field that begins {first[:40]!r}. Close '
            'the quote, remove it, or write it twice ("") within a field in quotes.'
        ) from error


def _reader(text: str, delimiter: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
