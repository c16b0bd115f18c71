"""Manifests of tables: delimited text, JSON or Parquet with a column of paths, and mostly columns of labels, splits and groups.

`roles` says which column is what. Other columns are other label columns, for several tasks on the same images.
"""

import os
import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from pipeline.errors import DataLayoutError, MissingExtraError, foreign_file
from pipeline.images.answers import Answers, answers_of
from pipeline.images.entries import Entry, Listed
from pipeline.images.files.kinds import has_image_extension
from pipeline.images.labels import label_text, listed
from pipeline.images.manifest import Manifest
from pipeline.images.remote.addresses import is_url, without_secrets
from pipeline.images.sources.columns import Columns
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables.delimited import Table, Texts, head_of_table, read_delimited
from pipeline.images.sources.tables.objects import read_json, read_lines, texts_of
from pipeline.images.sources.tables.paths import Locator
from pipeline.images.sources.tables.places import (
    Place,
    UrlLocator,
    make_locator,
    name_of,
    open_files,
    place_of,
    shown_name,
)
from pipeline.images.sources.tables.repeated import join_rows
from pipeline.images.sources.tables.roles import Roles, find_path, find_roles, without_ignored
from pipeline.images.sources.words import split_of
from pipeline.images.summary import Skipped

_OBJECTS = re.compile(rb"[\[{][\s\0]*[{\"]")
"""The beginning of JSON: a list of objects, or an object with names."""

_PIXEL = re.compile(r"(px|pixel)[\W_]?\d+|\d+x\d+", re.IGNORECASE)
_PIXELS = re.compile(r"\d{1,3}([ ,;]\d{1,3}){8}")
"""Names of columns of single pixels, and a cell with the pixels of an image."""

_MAX_ROOTS = 200
"""Folders beside a table in which its first file is looked for if none of its paths is right."""

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
    folder, source = place_of(reading, table.parent), name_of(table, reading)
    return manifest_of_paths(
        read_table(table, reading.ignore_column), reading, source=source, title=table.stem, folder=folder
    )


def list_table(table: Path, reading: Reading) -> Listed:
    """One image for each row of a table, in its order, by the path that the row gives; its other columns are not used.

    Raises:
        DataLayoutError: The table has no path column, or no rows.
    """
    content = read_table(table, reading.ignore_column)
    found = list_paths(content.texts, reading, source=name_of(table, reading), folder=place_of(reading, table.parent))
    return replace(found, warnings=(*content.warnings, *found.warnings))


def read_table(table: Path, ignored: Collection[str] = ()) -> Table:
    """The columns of a table of any kind; two columns of one name may differ only if they are ignored.

    Raises:
        DataLayoutError: It is not what its ending says.
    """
    readers: Mapping[str, Callable[[Path], Table]] = {
        ".json": read_json,
        ".jsonl": read_lines,
        ".ndjson": read_lines,
    }
    reader = readers.get(table.suffix.lower())
    if table.suffix.lower() == ".parquet":
        return _read_parquet(table)
    if _OBJECTS.match(head_of_table(table)) and reader is None:
        reader = read_json
    return reader(table) if reader else read_delimited(table, ignored)


def list_paths(texts: Texts, reading: Reading, *, source: str, folder: Place) -> Listed:
    """The file of each row, by the path that the row gives.

    Args:
        texts: The columns of a table.
        reading: How it is read.
        source: Its name in messages.
        folder: The folder that the paths are relative to.
    """
    path, locator = _find_files(without_ignored(texts, reading, source), reading, source, folder)
    if not any(locator.locate(given)[1] is None for given in texts[path]):
        locator = locator.elsewhere(texts[path]) or locator
    entries = []
    for row, given in enumerate(texts[path]):
        name, reason = locator.locate(given)
        shown = shown_name(given, row)
        full = name if is_url(name) else os.path.join(folder, name)  # noqa: PTH118
        entries.append(Entry(shown, None, reason) if reason else Entry(shown, full))
    return Listed(entries, tuple(locator.notes(len(entries))))


def _find_files(texts: Texts, reading: Reading, source: str, folder: Place) -> tuple[str, Locator | UrlLocator]:
    """The column of paths, and what finds their files.

    Raises:
        DataLayoutError: There is no such column, or the table has no rows.
        DataNotFoundError: The folder does not exist.
    """
    path = find_path(texts, reading, source)
    if path is None or not texts[path]:
        cure = _path_cure(texts) if path is None else "It has no rows below them."
        columns = listed([repr(name[:80]) for name in texts], 10)
        raise DataLayoutError(
            f"{source} needs a column `path` and at least one row. Received columns: [{columns}]. {cure}"
        )
    return path, make_locator(folder, reading)


def manifest_of_paths(
    table: Table,
    reading: Reading,
    *,
    source: str,
    title: str,
    folder: Place,
) -> Manifest:
    """The manifest of a table that has been read.

    Args:
        table: Its columns.
        reading: How it is read.
        source: Its name in messages.
        title: Short name of the data set, for run names.
        folder: The folder that the paths are relative to, or its URL.
    """
    texts = without_ignored(table.texts, reading, source)
    path, locator = _find_files(texts, reading, source, folder)
    roles = find_roles(texts, reading, source, path=path)
    names, rows, skipped = _locate(locator, texts[path])
    if not names and (other := locator.elsewhere(texts[path])):
        locator = other
        names, rows, skipped = _locate(locator, texts[path])
    if not names:
        raise _no_file(skipped, source, folder)
    _check_vanished(texts, roles, rows, skipped)
    warnings = (
        *table.warnings,
        *locator.notes(len(texts[path])),
        *(_notes_on_folders(names) if roles.splits is None else ()),
    )
    shown = [without_secrets(name) for name in names]
    columns = columns_of(texts, roles, shown, rows, kind=reading.task, skipped=skipped, warnings=warnings)
    others = {name: [texts[name][row] for row in rows] for name in texts if name not in roles.labels}
    columns, kept = join_rows(columns, others)
    names, rows = [names[row] for row in kept], [rows[row] for row in kept]
    if any(map(is_url, names)):
        columns.check_before_fetching(reading, title)
    images, digests = open_files(folder, names, reading)
    _check_fetched(texts, roles, rows, columns, digests, source, folder)
    return columns.manifest(images, digests, reading, title)


def _notes_on_folders(names: Sequence[str]) -> list[str]:
    """A sentence on splits in the paths of a table without a column of splits, if each path has one: `train/cats/1.jpg`."""
    folders = dict.fromkeys(name.rpartition("/")[0] for name in names)
    splits_of = {folder: next(filter(None, map(split_of, folder.split("/"))), None) for folder in folders}
    if None in splits_of.values() or len(set(splits_of.values())) < 2:
        return []
    where = f"The paths are in folders of splits ({listed(list(map(repr, folders)), 3)}), but the table has no column of splits"
    return [
        f"{where}, so the images are split by percentages. To keep the splits of the folders, write them into a column `split`."
    ]


def _no_file(skipped: Sequence[Skipped], source: str, folder: Place) -> DataLayoutError:
    first = f"the first: {skipped[0].path[:200]!r}: {skipped[0].reason}"
    where = without_secrets(str(folder))
    return DataLayoutError(
        f"None of the {len(skipped):,} paths of {source} is a file below {where} that can be read ({first}). "
        f"{_root_cure(skipped[0].path, folder)}"
    )


def _root_cure(path: str, folder: Place) -> str:
    """The option that names the folder in which paths begin: a folder beside the table, if a path leads to a file there."""
    if isinstance(folder, Path) and ".." not in Path(path).parts:
        with suppress(OSError, ValueError):
            for root in sorted(folder.iterdir())[:_MAX_ROOTS]:
                if (root / path).is_file() and not Path(path).is_absolute():
                    return f"The first is a file in the folder {root.name!r}: give --root {shlex.quote(str(root))}."
    return "If the paths begin in another folder, give it with --root."


def _check_fetched(
    texts: Texts,
    roles: Roles,
    rows: Sequence[int],
    columns: Columns,
    digests: Sequence[bytes | OSError],
    source: str,
    folder: Place,
) -> None:
    """Whether an object exists is known when it is fetched: as `_check_vanished`, if any are URLs.

    Raises:
        DataLayoutError: None can be read, or none of a class or a split.
    """
    lost = [
        Skipped(name, f"cannot be read: {digest.strerror or digest}")
        for name, digest in zip(columns.names, digests, strict=True)
        if isinstance(digest, OSError) and is_url(name)
    ]
    if len(lost) == len(rows):
        raise _no_file([*lost, *columns.skipped], source, folder)
    if lost:
        left = [row for row, digest in zip(rows, digests, strict=True) if isinstance(digest, bytes)]
        _check_vanished(texts, roles, left, [*lost, *columns.skipped])


def _check_vanished(texts: Texts, roles: Roles, rows: Sequence[int], skipped: Sequence[Skipped]) -> None:
    """Raise DataLayoutError if all images of a class, or of a split, are skipped."""
    if not skipped:
        return
    labels = [label_text(text) for name in roles.labels[:1] for text in texts[name]]
    if len(roles.labels) > 1 or len(set(labels)) > len(labels) / 2:
        labels = []  # labels or numbers, and not classes
    for what, values in (("class", labels), ("split", list(roles.splits or ()))):
        left = {values[row] for row in rows} if values else set()
        for value in values:
            if value is not None and value not in left:
                first = f"{skipped[0].path[:200]}: {skipped[0].reason}"
                raise DataLayoutError(
                    f"No image of the {what} {value!r} can be read: {len(skipped):,} of {len(skipped) + len(rows):,} images are "
                    f"skipped (the first: {first}). Get these files, or remove the rows of this {what}."
                )


def columns_of(
    texts: Texts,
    roles: Roles,
    names: Sequence[str],
    rows: Sequence[int],
    *,
    kind: str | None,
    skipped: Sequence[Skipped] = (),
    warnings: Sequence[str] = (),
) -> Columns:
    """Labels, splits and groups of these rows of a table."""
    raw = {name: [texts[name][row] for row in rows] for name in roles.labels}
    return Columns(
        names=names,
        answers=answers_of(raw, kind) if raw else Answers((None,) * len(rows)),
        splits=[None] * len(rows) if roles.splits is None else [roles.splits[row] for row in rows],
        groups=None if roles.group is None else [label_text(texts[roles.group][row]) for row in rows],
        skipped=skipped,
        label_choices=roles.choices,
        warnings=[*warnings, *roles.warnings],
        label_column=",".join(roles.labels) or None,
    )


def _path_cure(texts: Texts) -> str:
    """What to do if no column is known to be that of the paths."""
    expected = "a line with the names of the columns, separated by commas, semicolons or tabs, such as path,label"
    if any(has_image_extension(word) for name in texts for word in name.split()):
        return f"The first line looks like an image: write {expected}, above it."
    if not texts:
        return f"It is empty. Expected {expected}."
    if len(texts) < 2:
        return f"Expected {expected}, above the rows."
    if _has_pixels(texts):
        return "Its columns have the pixels as numbers: save images and labels as arrays with np.savez('data.npz', x=images, y=labels)."
    like = next((name for name, values in texts.items() if values and has_image_extension(str(values[0]))), None)
    seen = "" if like is None else f" The values of {like!r} look like them: --path-column {shlex.quote(like)}."
    return f"If another column contains the paths, name it with --path-column.{seen}"


def _has_pixels(texts: Texts) -> bool:
    """Whether images are in the cells, as Kaggle has MNIST (`pixel0`, `pixel1`, ...; `1x1`, `1x2`, ...) and FER2013 (`70 80 82 ...`)."""
    named = [name for name in texts if _PIXEL.fullmatch(name)]
    return len(named) > len(texts) / 2 or any(values and _PIXELS.match(str(values[0])) for values in texts.values())


def _locate(locator: Locator | UrlLocator, paths: Sequence[str | None]) -> tuple[list[str], list[int], list[Skipped]]:
    """Paths of regular files, their row numbers, and the other paths with the reasons to skip them."""
    names, rows, skipped = [], [], []
    for row, given in enumerate(paths):
        name, reason = locator.locate(given)
        if reason:
            skipped.append(Skipped(shown_name(given, row), reason))
        else:
            names.append(name)
            rows.append(row)
    return names, rows, skipped


def _read_parquet(table: Path) -> Table:
    if find_spec("pyarrow") is None:
        raise MissingExtraError(
            "A Parquet manifest needs pyarrow: pip install 'bottleneck-pipeline[parquet]', or give the table as CSV."
        )
    from pipeline.images.sources.tables.parquet import read_columns

    with foreign_file(table, "is not a Parquet file", error_type=DataLayoutError):
        return Table(texts_of(read_columns(table)))
