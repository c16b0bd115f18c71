"""Manifests of tables: a CSV, JSON-lines or Parquet file with the columns path, label, and optionally split and group.

Other columns are other label columns, for several tasks on the same images. The column of paths may be named `file_name`, as in
the `metadata.csv` of Hugging Face's image folders.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.errors import DataLayoutError, DataNotFoundError, MissingExtraError
from pipeline.images.manifest import Files, Manifest, Skipped
from pipeline.images.reading import Reading
from pipeline.images.sources.columns import Columns
from pipeline.images.words import split_of

EXTENSIONS = (".csv", ".jsonl", ".parquet")
Texts = Mapping[str, Sequence[str | None]]
_NO_LABELS = ("path", "file_name", "image", "split", "group")


def scan_table(
    table: Path,
    reading: Reading,
) -> Manifest:
    """The manifest of a table, in its order.

    Args:
        table: A CSV file with a header, a file with one JSON object per line, or a Parquet file.
        reading: How it is read. Paths that lead out of the root are skipped.

    Raises:
        DataLayoutError: The table has no path column, no such label column, an unknown split, or no rows.
    """
    readers = {".parquet": _read_parquet, ".jsonl": _read_jsonl}
    return manifest_of_paths(
        readers.get(table.suffix.lower(), read_csv)(table),
        reading,
        source=str(table),
        folder=Path(reading.root or table.parent),
    )


def manifest_of_paths(
    texts: Texts,
    reading: Reading,
    *,
    source: str,
    folder: Path,
) -> Manifest:
    """The manifest of a table that has been read.

    Args:
        texts: Its columns.
        reading: How it is read.
        source: Its name in messages.
        folder: The folder that the paths are relative to.
    """
    paths = texts.get("path") or texts.get("file_name")
    if not paths:
        raise DataLayoutError(f"{source} needs a column `path` and at least one row. Received columns: {list(texts)}.")
    check_label(reading.label, texts, source)
    if not folder.is_dir():
        raise DataNotFoundError(f"The folder of the images does not exist: {folder}. Give another one with --root.")
    names, rows, skipped = _inside(folder, paths)
    if not names:
        raise DataLayoutError(
            f"None of the {len(paths)} paths of {source} is a file below {folder} (the first: "
            f"{paths[0]!r}). Give their folder with --root."
        )
    columns = columns_of(texts, names, rows, label=reading.label, source=source, skipped=skipped)
    digests = reading.hashes.digests([f"{folder}/{name}" for name in names], progress=reading.progress)
    images = Files(folder, tuple(names))
    return columns.manifest(images, digests, reading, folder.resolve().name or "data")


def check_label(label: str, names: Iterable[str], source: str) -> None:
    """Check that a label column exists; the default `label` may be missing.

    Raises:
        DataLayoutError: It does not; the message lists the label columns.
    """
    if label not in names and label != "label":
        choices = [name for name in names if name not in _NO_LABELS]
        raise DataLayoutError(
            f"{source} has no column {label!r}. Label columns are {choices}; choose one with --label."
        )


def columns_of(
    texts: Texts, names: Sequence[str], rows: Sequence[int], *, label: str, source: str, skipped: Sequence[Skipped] = ()
) -> Columns:
    """Labels, splits and groups of these rows of a table."""
    none = [None] * len(rows)
    return Columns(
        names=names,
        labels=_pick(texts.get(label), rows) or none,
        splits=[_split_name(source, name) for name in _pick(texts.get("split"), rows) or none],
        groups=_pick(texts.get("group"), rows),
        skipped=skipped,
    )


def _inside(folder: Path, names: Sequence[str | None]) -> tuple[list[str], list[int], list[Skipped]]:
    """Paths of regular files below the folder, their row numbers, and the other paths with the reasons to skip them."""
    inside = folder.resolve()
    paths, rows, skipped = [], [], []
    for row, name in enumerate(names):
        reason = _refusal(inside, name)
        if reason:
            skipped.append(Skipped(name or f"row {row + 1}", reason))
        else:
            given = Path(str(name))
            is_below = given.is_absolute() and given.is_relative_to(inside)
            paths.append((given.relative_to(inside) if is_below else given).as_posix())
            rows.append(row)
    return paths, rows, skipped


def _refusal(inside: Path, name: str | None) -> str | None:
    if not name:
        return "empty path"
    try:
        target = (inside / name).resolve()
        if not target.is_relative_to(inside):
            return "path leaves the data folder"
        if target.is_file():
            return None
        return "not a regular file" if target.exists() else "no such file"
    except (OSError, ValueError, RuntimeError) as error:  # too long, a zero byte, a loop of links
        return f"not a path: {getattr(error, 'strerror', None) or error}"


def _pick(column: Sequence[str | None] | None, rows: Sequence[int]) -> list[str | None] | None:
    return None if column is None else [column[row] or None for row in rows]


def _split_name(source: str, name: str | None) -> str | None:
    if name is None:
        return None
    split = split_of(name)
    if split is None:
        raise DataLayoutError(f"A split in {source} is train, validation or test, or empty. Received: {name!r}.")
    return split


def read_csv(table: Path) -> Texts:
    """The columns of a CSV file by name; empty fields are empty texts.

    Raises:
        DataLayoutError: It is not a UTF-8 CSV file, or a line has more or fewer fields than the header.
    """
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            rows = list(reader)
            names = list(reader.fieldnames or [])
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataLayoutError(f"{table} is not a UTF-8 CSV file with a header: {error}.") from error
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise DataLayoutError(f"{table}, line {number} does not have the {len(names)} columns of the header.")
    return {name: [row[name] for row in rows] for name in names}


def _read_jsonl(table: Path) -> Texts:
    rows: list[dict[str, object]] = []
    with table.open(encoding="utf-8-sig") as file:
        try:
            rows = [dict(json.loads(line)) for line in file if line.strip()]
        except (ValueError, TypeError, RecursionError) as error:
            raise DataLayoutError(f"{table} is not a UTF-8 file with one JSON object per line: {error}.") from error
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [None if row.get(name) is None else str(row[name]) for row in rows] for name in names}


def _read_parquet(table: Path) -> Texts:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise MissingExtraError(
            "A Parquet manifest needs pyarrow: pip install 'bottleneck-pipeline[parquet]', or give the table as CSV."
        ) from None
    try:
        content = parquet.read_table(table).to_pydict()
    except (ArrowException, OSError, ValueError) as error:
        raise DataLayoutError(f"{table} is not a Parquet file: {error}.") from error
    return {name: [None if value is None else str(value) for value in values] for name, values in content.items()}
