"""The text of a label table, a CSV with the columns path, label and split. A change rewrites single fields.

Everything else keeps its bytes: other rows and columns, their order, quotes, line ends and a byte order mark.
"""

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from pipeline.errors import DataLayoutError

COLUMNS = ("path", "label", "split")
_BYTE_ORDER_MARK = "\ufeff"

# One field, as csv's default dialect reads it: text after a closing quote belongs to the field.
_FIELD = re.compile(r'(?:"(?:[^"]|"")*+"?+)?+[^,\r\n]*+')


@dataclass(frozen=True)
class LabelTable:
    """N records in the order of the file, the header first; a record may span several lines."""

    texts: tuple[str, ...]
    """Each record as it is in the file, with its line end."""

    records: tuple[list[str], ...]
    """The fields of each; an empty line has none."""

    mark: str = ""
    """The byte order mark, if the file has one."""

    @classmethod
    def parse(cls, content: bytes, source: str) -> "LabelTable":
        """Parse the content of a file; `source` is its name in messages.

        Raises:
            DataLayoutError: It is not a UTF-8 CSV file with these columns, or a row lacks some of them.
        """
        try:
            text = content.decode()
            mark = text[: text.startswith(_BYTE_ORDER_MARK)]
            table = cls(*_split(text.removeprefix(mark)), mark)
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataLayoutError(f"{source} is not a UTF-8 CSV file with a header line: {error}.") from error
        table._check(source)
        return table

    @classmethod
    def empty(cls) -> "LabelTable":
        """A header alone."""
        return cls(*_split(_line(COLUMNS, "\r\n")))

    @property
    def header(self) -> list[str]:
        """Names of the columns."""
        return self.records[0] if self.records else []

    @cached_property
    def entries(self) -> dict[str, tuple[str, str]]:
        """Label and split of each path. The last row counts if a path has several."""
        path, label, split = map(self._columns.__getitem__, COLUMNS)
        return {record[path]: (record[label], record[split]) for record in self.records[1:] if record}

    def with_label(self, path: str, label: str) -> "LabelTable":
        """Another label in all rows of a path."""
        key, column = self._columns["path"], self._columns["label"]
        texts, records = list(self.texts), list(self.records)
        for row, record in enumerate(records):
            if row and record and record[key] == path and record[column] != label:
                records[row] = [*record[:column], label, *record[column + 1 :]]
                texts[row] = _with_field(texts[row], column, label)
        return replace(self, texts=tuple(texts), records=tuple(records))

    def with_rows(self, rows: Iterable[tuple[str, str | None, str]]) -> "LabelTable":
        """More rows at the end: path, label and split; other columns are empty."""
        line_end = _line_end(self.texts[0]) or "\r\n"
        named = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        added = [[values.get(name) or "" for name in self.header] for values in named]
        texts = list(self.texts)
        if added and not _line_end(texts[-1]):
            texts[-1] += line_end
        texts += [_line(record, line_end) for record in added]
        return replace(self, texts=tuple(texts), records=(*self.records, *added))

    def to_bytes(self) -> bytes:
        """The whole file."""
        return (self.mark + "".join(self.texts)).encode()

    @cached_property
    def _columns(self) -> dict[str, int]:
        # The last of several columns of one name counts, as with csv.DictReader.
        return {name: column for column, name in enumerate(self.header)}

    def _check(self, source: str) -> None:
        if set(COLUMNS) - set(self.header):
            raise DataLayoutError(f"{source} needs the columns {', '.join(COLUMNS)}. Received: {self.header}.")
        for number, record in enumerate(self.records, start=1):
            if record and len(record) != len(self.header):
                raise DataLayoutError(
                    f"{source}, row {number} does not have the {len(self.header)} columns of the header."
                )


def _split(text: str) -> tuple[tuple[str, ...], tuple[list[str], ...]]:
    """The text of each record, and its fields."""
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines)
    texts, records, start = [], [], 0
    for record in reader:
        texts.append("".join(lines[start : reader.line_num]))
        records.append(record)
        start = reader.line_num
    if texts and len(list(csv.reader([texts[-1], "next"]))) == 1:
        raise csv.Error("a quote is never closed")  # rows that are added after it would become part of the field
    return tuple(texts), tuple(records)


def _with_field(text: str, column: int, value: str) -> str:
    """A record's text with another value in one field, in quotes if the old one had them or the new one needs them."""
    position = 0
    for _ in range(column):
        position = _end_of_field(text, position) + 1
    end = _end_of_field(text, position)
    needs_quotes = text.startswith('"', position) or not set(value).isdisjoint(',"\r\n')
    field = '"' + value.replace('"', '""') + '"' if needs_quotes else value
    return text[:position] + field + text[end:]


def _end_of_field(text: str, position: int) -> int:
    found = _FIELD.match(text, position)
    return found.end() if found else position


def _line(fields: Iterable[str], line_end: str) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=line_end).writerow(fields)
    return stream.getvalue()


def _line_end(text: str) -> str:
    return text[len(text.rstrip("\r\n")) :]
