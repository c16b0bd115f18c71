"""Manifests of tables: delimited text, JSON or Parquet with a column of paths, and mostly columns of labels, splits and groups.

`roles` says which column is what. Other columns are other label columns, for several tasks on the same images.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pipeline.errors import DataLayoutError, DataNotFoundError, MissingExtraError, foreign_file
from pipeline.files import parse_json
from pipeline.images.entries import Entry, Listed
from pipeline.images.files.kinds import has_image_extension
from pipeline.images.files.limits import MAX_JSON_BYTES, MAX_LINE, check_cells
from pipeline.images.labels import counted, label_text, missing_spellings, plain_texts
from pipeline.images.manifest import Files, Manifest, Skipped
from pipeline.images.sources.columns import Columns
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables.delimited import Table, Texts, decode_text, read_delimited
from pipeline.images.sources.tables.paths import Locator
from pipeline.images.sources.tables.roles import Roles, find_path, find_roles, without_ignored

EXTENSIONS = (".csv", ".tsv", ".tab", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")


def scan_table(
    table: Path,
    reading: Reading,
) -> Manifest:
    """The manifest of a table, in its order.

    Args:
        table: Delimited text with a header, JSON objects (a list of them, or one per line), or a Parquet file.
        reading: How it is read. Paths that cannot be read are skipped.

    Raises:
        DataLayoutError: The table has no path column, no such label column, an unknown split, or no rows; or it is a question what a
            column is.
    """
    folder = Path(reading.root or table.parent)
    return manifest_of_paths(read_table(table), reading, source=str(table), title=table.stem, folder=folder)


def list_table(table: Path, reading: Reading) -> Listed:
    """One image for each row of a table, in its order, by the path that the row gives; its other columns are not used.

    Raises:
        DataLayoutError: The table has no path column, or no rows.
    """
    content = read_table(table)
    folder = Path(reading.root or table.parent)
    return Listed(list_paths(content.texts, reading, source=str(table), folder=folder), content.warnings)


def read_table(table: Path) -> Table:
    """The columns of a table of any kind.

    Raises:
        DataLayoutError: It is not what its ending says.
    """
    readers: Mapping[str, Callable[[Path], Table]] = {
        ".parquet": _read_parquet,
        ".json": _read_json,
        ".jsonl": _read_jsonl,
        ".ndjson": _read_jsonl,
    }
    return readers.get(table.suffix.lower(), read_delimited)(table)


def list_paths(texts: Texts, reading: Reading, *, source: str, folder: Path) -> list[Entry]:
    """The file of each row, by the path that the row gives.

    Args:
        texts: The columns of a table.
        reading: How it is read.
        source: Its name in messages.
        folder: The folder that the paths are relative to.
    """
    path, locator = _find_files(without_ignored(texts, reading, source), reading, source, folder)
    entries = []
    for row, given in enumerate(texts[path]):
        name, reason = locator.locate(given)
        shown = given or f"row {row + 1}"
        entries.append(Entry(shown, None, reason) if reason else Entry(shown, os.path.join(folder, name)))  # noqa: PTH118
    return entries


def _find_files(texts: Texts, reading: Reading, source: str, folder: Path) -> tuple[str, Locator]:
    """The column of paths, and what finds their files.

    Raises:
        DataLayoutError: There is no such column, or the table has no rows.
        DataNotFoundError: The folder does not exist.
    """
    path = find_path(texts, reading, source)
    if path is None or not texts[path]:
        cure = _path_cure(texts) if path is None else "It has no rows below them."
        raise DataLayoutError(
            f"{source} needs a column `path` and at least one row. Received columns: {list(texts)}. {cure}"
        )
    if not folder.is_dir():
        raise DataNotFoundError(f"The folder of the images does not exist: {folder}. Give another one with --root.")
    return path, Locator(folder, may_leave=reading.root is not None, follow_links=reading.follow_links)


def manifest_of_paths(
    table: Table,
    reading: Reading,
    *,
    source: str,
    title: str,
    folder: Path,
) -> Manifest:
    """The manifest of a table that has been read.

    Args:
        table: Its columns.
        reading: How it is read.
        source: Its name in messages.
        title: Short name of the data set, for run names.
        folder: The folder that the paths are relative to.
    """
    texts = without_ignored(table.texts, reading, source)
    path, locator = _find_files(texts, reading, source, folder)
    roles = find_roles(texts, reading, source, path=path)
    names, rows, skipped = _locate(locator, texts[path])
    if not names:
        first = f"the first: {texts[path][0]!r}: {skipped[0].reason}"
        raise DataLayoutError(
            f"None of the {len(skipped)} paths of {source} is a file below {folder} that can be read ({first}). "
            "If the paths begin in another folder, give it with --root."
        )
    columns = columns_of(texts, roles, names, rows, skipped=skipped, warnings=table.warnings)
    full = [os.path.join(folder, name) for name in names]  # noqa: PTH118 strings are faster
    digests = reading.hashes.digests(full, progress=reading.progress)
    return columns.manifest(Files(folder, tuple(names)), digests, reading, title)


def columns_of(
    texts: Texts,
    roles: Roles,
    names: Sequence[str],
    rows: Sequence[int],
    *,
    skipped: Sequence[Skipped] = (),
    warnings: Sequence[str] = (),
) -> Columns:
    """Labels, splits and groups of these rows of a table."""
    raw = None if roles.label is None else [texts[roles.label][row] for row in rows]
    found = [*warnings, *roles.warnings]
    missing = missing_spellings(raw or [])
    if missing:
        found.append(f"Values of the column {roles.label!r} that mean no label: {counted(missing.items())}.")
    return Columns(
        names=names,
        labels=[None] * len(rows) if raw is None else [label_text(value) for value in raw],
        splits=[None] * len(rows) if roles.splits is None else [roles.splits[row] for row in rows],
        groups=None if roles.group is None else [label_text(texts[roles.group][row]) for row in rows],
        skipped=skipped,
        label_choices=roles.choices,
        warnings=found,
        label_column=roles.label,
    )


def _path_cure(texts: Texts) -> str:
    """What to do if no column is known to be that of the paths."""
    if any(has_image_extension(name.strip()) for name in texts):
        return "The first line looks like an image: write a line with the names of the columns above it, such as path,label."
    return "If another column contains the paths, name it with --path-column."


def _locate(locator: Locator, paths: Sequence[str | None]) -> tuple[list[str], list[int], list[Skipped]]:
    """Paths of regular files, their row numbers, and the other paths with the reasons to skip them."""
    names, rows, skipped = [], [], []
    for row, given in enumerate(paths):
        name, reason = locator.locate(given)
        if reason:
            skipped.append(Skipped(given or f"row {row + 1}", reason))
        else:
            names.append(name)
            rows.append(row)
    return names, rows, skipped


def _read_json(table: Path) -> Table:
    """A list of JSON objects; or one object per line, which some call .json too."""
    text, warnings = decode_text(table)
    if len(text) > MAX_JSON_BYTES or not text.lstrip().startswith("["):
        return _columns_of_lines(table, text, warnings)
    try:
        rows = [dict(row) for row in parse_json(text)]
    except (ValueError, TypeError):
        return _columns_of_lines(table, text, warnings)
    return Table(_columns_of_objects(table, rows, len(text)), warnings)


def _read_jsonl(table: Path) -> Table:
    return _columns_of_lines(table, *decode_text(table))


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
    return parse_json(line)


def _columns_of_objects(table: Path, rows: Iterable[Mapping[str, object]], size: int) -> Texts:
    """The columns of objects: each text is kept once, however often it occurs. An object that lacks a column has None there."""
    columns: dict[str, list[object]] = {}
    known: dict[str, str] = {}
    for count, row in enumerate(rows):
        check_cells(table, size, (count + 1) * len(columns.keys() | row.keys()))
        for name, value in row.items():
            column = columns.setdefault(name, [None] * count)
            column.append(known.setdefault(value, value) if isinstance(value, str) else value)
        for column in columns.values():
            if len(column) == count:
                column.append(None)
    return {name: plain_texts(values) for name, values in columns.items()}


def _read_parquet(table: Path) -> Table:
    if find_spec("pyarrow") is None:
        raise MissingExtraError(
            "A Parquet manifest needs pyarrow: pip install 'bottleneck-pipeline[parquet]', or give the table as CSV."
        )
    from pipeline.images.sources.tables.parquet import read_columns

    with foreign_file(table, "is not a Parquet file", error_type=DataLayoutError):
        return Table({name: plain_texts(values) for name, values in read_columns(table).items()})
