"""Manifests of tables: a CSV or Parquet file with the columns path, label, and optionally split and group.

Further columns are further label columns: several tasks over the same photographs.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import DataLayoutError, DataNotFoundError, MissingExtraError
from pipeline.images.folders import SPLIT_NAMES, build_manifest
from pipeline.images.hashing import FileHashes
from pipeline.images.manifest import Manifest, Skipped
from pipeline.images.splits import Fractions

EXTENSIONS = (".csv", ".parquet")
Columns = Mapping[str, Sequence[str | None]]


def scan_table(
    table: Path,
    *,
    root: Path | None,
    label: str,
    fractions: Fractions,
    split_seed: int,
    hashes: FileHashes,
    progress: bool,
) -> Manifest:
    """The manifest of a table, in its order.

    Args:
        table: A CSV with a header line, or a Parquet file.
        root: Folder that the paths are relative to; None is the table's own folder. A path that leaves it is skipped.
        label: The column that holds the labels.
        fractions: Shares of the splits, if the table has no split column.
        split_seed: Seed of those shares.
        hashes: Remembered digests.
        progress: Show a bar.

    Raises:
        DataLayoutError: No path column, no such label column, an unknown split, or no row.
    """
    columns = _read_parquet(table) if table.suffix.lower() == ".parquet" else _read_csv(table)
    if not columns.get("path"):
        raise DataLayoutError(f"{table} needs a column `path` and at least one row. Received columns: {list(columns)}.")
    if label not in columns and label != "label":
        choices = [name for name in columns if name not in ("path", "split", "group")]
        raise DataLayoutError(f"{table} has no column {label!r}. Label columns are {choices}; choose one with --label.")
    folder = root or table.parent
    if not folder.is_dir():
        raise DataNotFoundError(f"The folder of the images does not exist: {folder}. Name it with --root.")
    names, rows, skipped = _inside(folder, columns["path"])
    if not names:
        raise DataLayoutError(
            f"None of the {len(columns['path'])} paths of {table} is a file below {folder} (the first: "
            f"{columns['path'][0]!r}). Name their folder with --root."
        )
    return build_manifest(
        folder,
        names,
        labels=_pick(columns.get(label), rows) or [None] * len(rows),
        splits=[_split_name(table, name) for name in _pick(columns.get("split"), rows) or [None] * len(rows)],
        groups=_pick(columns.get("group"), rows),
        skipped=skipped,
        fractions=fractions,
        split_seed=split_seed,
        hashes=hashes,
        progress=progress,
    )


def _inside(folder: Path, names: Sequence[str | None]) -> tuple[list[str], list[int], list[Skipped]]:
    """Paths that are regular files below the folder, their row numbers, and the others with reasons."""
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


def _split_name(table: Path, name: str | None) -> str | None:
    if name is None:
        return None
    if name.lower() not in SPLIT_NAMES:
        raise DataLayoutError(f"A split in {table} is one of {sorted(SPLIT_NAMES)}, or empty. Received: {name!r}.")
    return SPLIT_NAMES[name.lower()]


def _read_csv(table: Path) -> Columns:
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        try:
            rows = list(reader)
            names = list(reader.fieldnames or [])
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataLayoutError(f"{table} is not a UTF-8 CSV file with a header line: {error}.") from error
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise DataLayoutError(f"{table}, line {number} does not have the {len(names)} columns of the header.")
    return {name: [row[name] for row in rows] for name in names}


def _read_parquet(table: Path) -> Columns:
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
