"""Tables of JSON objects: one per line, a list of them, or one object that is a table in another way."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import DataLayoutError
from pipeline.files import parse_json
from pipeline.images.files.kinds import has_image_extension
from pipeline.images.files.limits import MAX_JSON_BYTES, MAX_LINE, check_cells
from pipeline.images.labels import plain_texts
from pipeline.images.sources.tables.annotations import rows_of_annotations
from pipeline.images.sources.tables.delimited import Table, Texts, decode_text
from pipeline.images.sources.tables.roles import is_path_name
from pipeline.images.sources.words import split_of

_EXPECTED = 'a list of objects, such as [{"path": "1.jpg", "label": "cat"}, ...], or one object per line'


def read_lines(table: Path) -> Table:
    """The columns of a file with one JSON object per line.

    Raises:
        DataLayoutError: A line is not an object.
    """
    return _columns_of_lines(table, *decode_text(table))


def read_json(table: Path) -> Table:
    """The columns of a JSON file.

    | content | rows |
    |---|---|
    | `[{"path": "1.jpg", "label": "cat"}, ...]` | one per object |
    | one such object per line | the same |
    | `{"path": ["1.jpg", ...], "label": [...]}`, also `{"path": {"0": "1.jpg", ...}, ...}`, as pandas writes it | one per value |
    | `{"data": [{"path": "1.jpg", ...}, ...]}` | one per object, if this is the only list |
    | an export of COCO, VIA, Label Studio or CreateML | one per image: `annotations` |
    | `{"1.jpg": "cat", ...}`, `{"1.jpg": {"label": "cat"}, ...}`, `{"1": "cat", "2": "dog", ...}` | one per name |
    | `{"cats": ["1.jpg", ...], "dogs": [...]}`, `{"train": ["1.jpg", ...], ...}` | one per name, with the class or the split |

    Raises:
        DataLayoutError: It is something else.
    """
    text, warnings = decode_text(table)
    if len(text) > MAX_JSON_BYTES or text.lstrip()[:1] not in ("[", "{"):
        return _columns_of_lines(table, text, warnings)
    try:
        value = parse_json(text, _object)
    except DataLayoutError:
        raise
    except ValueError:
        return _columns_of_lines(table, text, warnings)
    if export := rows_of_annotations(value):
        note = f"{table.name} is read as an export of {export.tool}: one row for each image, with the labels of its annotations."
        return Table(_columns_of_objects(table, export.rows, len(text)), (*warnings, note, *export.warnings))
    rows = value if isinstance(value, list) else _rows_of(value)
    if rows is None or not all(isinstance(row, Mapping) for row in rows):
        raise DataLayoutError(f"{table} is not a table. Expected {_EXPECTED}. Received: {_describe(value)}.")
    return Table(_columns_of_objects(table, rows, len(text)), warnings)


def _rows_of(value: Mapping[str, Any]) -> list[Any] | None:
    """The rows of a single object; None if it is no table."""
    parts = list(value.values())
    if all(map(has_image_extension, value)):
        return [
            {"path": name, **(part if isinstance(part, Mapping) else {"label": part})} for name, part in value.items()
        ]
    if not any(isinstance(part, list | Mapping) for part in parts):
        is_row = len(value) == 1 or any(is_path_name(name) for name in value)
        return [value] if is_row else [{"path": name, "label": part} for name, part in value.items()]
    if lists_of_images := _lists_of_images(value):
        return lists_of_images
    columns = _numbered_columns(parts) if all(isinstance(part, Mapping) for part in parts) else parts
    is_table = all(
        isinstance(column, list) and not any(isinstance(cell, list | Mapping) for cell in column) for column in columns
    )
    if is_table and len(set(map(len, columns))) == 1:
        return [dict(zip(value, cells, strict=True)) for cells in zip(*columns, strict=True)]
    lists = [
        part for part in parts if isinstance(part, list) and part and all(isinstance(row, Mapping) for row in part)
    ]
    if len(lists) == 1:
        return lists[0]
    is_row = any(not isinstance(part, list | Mapping) for part in parts)
    return [value] if is_row else None


def _numbered_columns(parts: list[Mapping[str, Any]]) -> list[Any]:
    """The values of columns whose rows are numbered, each row's under its number; unchanged if the numbers differ."""
    if any(part.keys() != parts[0].keys() for part in parts):
        return list(parts)
    return [[part[number] for number in parts[0]] for part in parts]


def _lists_of_images(value: Mapping[str, Any]) -> list[Any]:
    """The rows of `{"cats": ["1.jpg", ...], "dogs": [...]}`, or of lists by split; empty if it is something else.

    Raises:
        DataLayoutError: A name is that of a column of paths, and the lists may be columns.
    """
    columns = [name for name in value if is_path_name(name)]
    if (
        len(columns) == len(value)
        or len(value) < 2
        or not all(isinstance(names, list) and names for names in value.values())
    ):
        return []
    if not all(isinstance(name, str) and has_image_extension(name) for names in value.values() for name in names):
        return []
    if columns and len(set(map(len, value.values()))) == 1:
        name = columns[0]
        raise DataLayoutError(
            f'The lists of the JSON file have names of images alone: {name!r} may be a class, or a column of paths. For classes, write {{"1.jpg": '
            f'"{name}", ...}}. For columns, write an object for each row: [{{"{name}": "1.jpg", ...}}, ...].'
        )
    column = "split" if all(map(split_of, value)) else "label"
    return [{"path": name, column: key} for key, names in value.items() for name in names]


def _describe(value: object) -> str:
    if isinstance(value, Mapping):
        return f"one object with {', '.join(map(repr, list(value)[:5]))}{' and others' * (len(value) > 5)}"
    return "a list of other values" if isinstance(value, list) else type(value).__name__


def _columns_of_lines(table: Path, text: str, warnings: tuple[str, ...]) -> Table:
    try:
        objects = (dict(_parse_line(line)) for line in _lines(text))
        return Table(_columns_of_objects(table, objects, len(text)), warnings)
    except (ValueError, TypeError) as error:
        if isinstance(error, DataLayoutError):
            raise
        raise DataLayoutError(f"{table} is not a UTF-8 file with one JSON object per line: {error}.") from error


def _lines(text: str) -> Iterator[str]:
    """The lines that are not empty, one at a time: a list of all of them would be as large as the text."""
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if not text[start : min(end, start + MAX_LINE)].isspace() and end > start:
            yield text[start:end]
        start = end + 1


def _parse_line(line: str) -> Any:
    if len(line) > MAX_LINE:
        raise ValueError(f"a line of {len(line):,} characters; expected at most {MAX_LINE:,}")
    return parse_json(line, _object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of its names and values, of which Python would keep the last ones.

    Raises:
        DataLayoutError: A name comes twice with different values.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found and found[name] != value:
            raise DataLayoutError(
                f"A JSON object has the name {name!r} twice, with different values ({found[name]!r:.40} and {value!r:.40}). Remove one of them."
            )
        found[name] = value
    return found


def _columns_of_objects(table: Path, rows: Iterable[Mapping[str, object]], size: int) -> Texts:
    """The columns of objects: each text is kept once, however often it occurs. An object that lacks a column has None there."""
    columns: dict[str, list[object]] = {}
    known: dict[str, str] = {}
    for count, row in enumerate(rows):
        check_cells(table, size, (count + 1) * len(columns.keys() | row.keys()))
        for name, value in _object(list(_flat(row))).items():
            column = columns.setdefault(name, [None] * count)
            column.append(known.setdefault(value, value) if isinstance(value, str) else value)
        for column in columns.values():
            if len(column) == count:
                column.append(None)
    return {name: plain_texts(values) for name, values in columns.items()}


def texts_of(columns: Mapping[str, Sequence[object]]) -> Texts:
    """Columns of other tables as texts. One of objects (a struct) is a column for each of their values, as in JSON: `label.name`."""
    found: dict[str, Sequence[object]] = {}
    for name, values in columns.items():
        if not any(isinstance(value, Mapping) for value in values):
            found[name] = values
            continue
        rows = [{} if value is None else dict(_flat({name: value})) for value in values]
        found |= {
            inner: [row.get(inner) for row in rows] for inner in dict.fromkeys(key for row in rows for key in row)
        }
    return {name: plain_texts(values) for name, values in found.items()}


def _flat(row: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Names and values; those of an object in it have both names: `image.path`."""
    for name, value in row.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", part) for inner, part in value.items())
        else:
            yield name, value
