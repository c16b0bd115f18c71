"""Manifests of tables that contain the images: Arrow and Parquet files, the formats of Hugging Face's data sets.

Three forms are read: a folder made by `save_to_disk`, a folder of Parquet files downloaded from the hub, and a single Parquet
file. pyarrow reads the columns; no code of a data set is run, and no path in it is opened. Both formats are read
sequentially, so their images go through a `Spool`.
"""

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.errors import DataLayoutError, MissingExtraError
from pipeline.files import check_regular, read_json
from pipeline.images.files.kinds import has_image_extension
from pipeline.images.files.limits import SMALL_BYTES, check_growth
from pipeline.images.labels import plain_texts
from pipeline.images.manifest import Manifest
from pipeline.images.sources.archives.spool import Spool
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables.parquet import read_batches
from pipeline.images.sources.tables.roles import Roles, find_roles, without_ignored
from pipeline.images.sources.tables.tables import columns_of
from pipeline.images.sources.words import SPLIT_WORDS, split_of
from pipeline.images.summary import Skipped

# Names on the hub: train-00000-of-00001.parquet, with a hash in older data sets; or train.parquet.
_HUB_NAME = re.compile(rf"(\w+?)-\d{{5}}-of-\d{{5}}\b.*\.parquet|({'|'.join(SPLIT_WORDS)})\.parquet", re.IGNORECASE)
_NUMBER = re.compile(r"(?P<split>\w+?)-(?P<number>\d{5})-of-(?P<count>\d{5})\b")
_BATCH_ROWS = 64
_STATE_BYTES = 2**26


@dataclass(frozen=True)
class DataFile:
    """One Parquet or Arrow file of a data set."""

    path: Path

    split: str | None = None
    """The split in its name, if there is one."""


def find_data_files(folder: Path) -> list[DataFile]:
    """The Parquet or Arrow files of a folder that is a data set of Hugging Face; an empty list for any other folder.

    Raises:
        DataLayoutError: It is damaged, contains several data sets, or a file is a link to the outside of the folder.
    """
    if (folder / "state.json").is_file():
        files = _saved_files(folder, None)
    elif (folder / "dataset_dict.json").is_file():
        parts = sorted(state.parent for state in folder.glob("*/state.json"))
        files = [file for part in parts for file in _saved_files(part, part.name)]
    else:
        files = _hub_files(folder)
    inside = folder.resolve()
    for file in files:
        if not file.path.resolve().is_relative_to(inside):
            raise DataLayoutError(f"{file.path} leads out of the data folder. Put the file itself into the folder.")
        with contextlib.suppress(FileNotFoundError):  # pyarrow says that, but it would wait for a pipe
            check_regular(file.path, follow_links=True)
    return files


def is_hub_name(name: str) -> bool:
    """Whether a file is called as the files of data sets on the hub are."""
    return _HUB_NAME.fullmatch(name) is not None


def has_images(path: Path) -> bool:
    """Whether a Parquet file has a column of images.

    Raises:
        MissingExtraError: pyarrow is not installed.
        DataLayoutError: It is not a Parquet file.
    """
    return bool(_image_columns(_schema(path)))


def scan_data_files(
    files: Sequence[DataFile],
    title: str,
    reading: Reading,
) -> Manifest:
    """The manifest of the rows of Parquet or Arrow files, in their order.

    Args:
        files: The result of `find_data_files`, or one Parquet file, whose `split` and `group` columns are used.
        title: Short name of the data set.
        reading: How they are read. If the label column is `label` and there is no such column, the only column of class numbers
            is used.

    Raises:
        DataLayoutError: A file is damaged, has no column of images, or lacks the label column.
        MissingExtraError: pyarrow is not installed.
    """
    known, skipped = _with_known_splits(files)
    texts: dict[str, list[str | None]] = {"split": [], "group": []}
    names: list[str] = []
    digests: list[bytes | OSError] = []
    sources = [(file.path, _image_column(file.path)) for file in known]
    images = Spool(partial(_contents, sources), reading.home)
    counts: Counter[str | None] = Counter()
    choices: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    warnings = _notes_on_missing(known)
    for file in known:
        rows, count, found = _read_texts(file, reading)
        first_row = len(names)
        choices, warnings = found.choices, [*warnings, *found.warnings]
        members = [str(row) for row in range(count)]
        read = partial(_read_from, images, len(names))
        digests += reading.hashes.member_digests(file.path, members, read, progress=reading.progress)
        first = counts[file.split]
        names += [f"{file.split or ''}#{number}" for number in range(first, first + count)]
        counts[file.split] += count
        labels = tuple(dict.fromkeys((*labels, *found.labels)))
        for name in {*texts, *labels}:
            texts.setdefault(name, [None] * first_row)
            texts[name] += rows.get(name, [None] * count)
    if not names:
        raise DataLayoutError(f"These files have no rows: {[str(file.path) for file in known][:4]}.")
    roles = Roles(labels=labels, splits=texts["split"], group="group", choices=choices)
    columns = columns_of(
        texts,
        roles,
        names,
        range(len(names)),
        kind=reading.task,
        skipped=skipped,
        warnings=list(dict.fromkeys(warnings)),
    )
    return replace(columns, label_column=reading.label).manifest(images, digests, reading, title)


def _notes_on_missing(files: Sequence[DataFile]) -> list[str]:
    """A sentence for each split of which not all files are there: their names say how many there are."""
    numbers: dict[tuple[str, int], set[int]] = {}
    for file in files:
        if file.split and (match := _NUMBER.match(file.path.name)):
            numbers.setdefault((match["split"], int(match["count"])), set()).add(int(match["number"]))
    return [
        f"The data has {len(there):,} of the {count:,} files of {split!r}, and the images of the others are missing. Download them, if all are "
        "meant."
        for (split, count), there in numbers.items()
        if len(there) < count
    ]


def _read_from(images: Spool, start: int, row: int) -> bytes:
    return images.read(start + row)


def _with_known_splits(files: Sequence[DataFile]) -> tuple[list[DataFile], list[Skipped]]:
    """Files with the project's names of splits; those of other splits (`unsupervised`, `extra`) are skipped."""
    known = [DataFile(file.path, split_of(file.split or "")) for file in files]
    if not any(file.split for file in known):
        return known, []
    others = [
        Skipped(str(file.path), f"its split {given.split!r} is none of train, validation and test")
        for given, file in zip(files, known, strict=True)
        if not file.split
    ]
    return [file for file in known if file.split], others


def _saved_files(folder: Path, split: str | None) -> list[DataFile]:
    """The Arrow files that state.json lists; the folder also contains files of the library's cache."""
    state = folder / "state.json"
    try:
        names = [str(entry["filename"]) for entry in read_json(state, _STATE_BYTES, follow_links=True)["_data_files"]]
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise DataLayoutError(f"{state} does not name the files of a saved data set: {error!r}.") from error
    return [DataFile(folder / name, split) for name in names]


def _hub_files(folder: Path) -> list[DataFile]:
    """Parquet files with names of the hub, in the folder or in one folder below it, and those beside them; none if there are image files."""
    found: dict[Path, list[DataFile]] = {}
    others: list[DataFile] = []
    for parent, name in _names(folder):
        if has_image_extension(name):
            return []  # class folders, which may contain a million more
        if match := _HUB_NAME.fullmatch(name):
            found.setdefault(parent, []).append(DataFile(parent / name, match[1] or match[2]))
        elif name.lower().endswith(".parquet"):
            others.append(DataFile(parent / name, Path(name).stem))
    if len(found) > 1:
        raise DataLayoutError(
            f"{folder} contains several data sets. Give one of them as DATA: {sorted(map(str, found))}."
        )
    files = [*next(iter(found.values()), []), *(file for file in others if file.path.parent in found)]
    return sorted(files, key=lambda file: file.path)


def _names(folder: Path) -> Iterator[tuple[Path, str]]:
    """The entries of a folder, then those of its folders: the parent and the name of each."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            yield folder, entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
    for inner in folders:
        with contextlib.suppress(PermissionError), os.scandir(inner) as entries:
            yield from ((inner, entry.name) for entry in entries)


def _read_texts(file: DataFile, reading: Reading) -> tuple[dict[str, list[str | None]], int, Roles]:
    """Labels, splits and groups by name, as far as the file has such columns; the number of rows; and what the columns are."""
    schema = _schema(file.path)
    classes = _class_names(schema)
    if reading.label == "label" and "label" not in schema.names and len(classes) == 1:
        reading = replace(reading, label=next(iter(classes)))
    names = [field.name for field in schema if _is_plain(field.type)]
    values: dict[str, list[object]] = {name: [] for name in names}
    count = 0
    for number, rows in _batches(file.path, names):
        count += number
        for name in names:
            values[name] += [_class_name(value, classes.get(name)) for value in rows[name]]
    texts = {name: plain_texts(column) for name, column in values.items()}
    source = str(file.path)
    kept = without_ignored(texts, reading, source)
    roles = find_roles(kept, reading, source, splits=[file.split] * count if file.split else None)
    found = {**{name: name for name in roles.labels}, "group": roles.group}
    result = {name: list(kept[column]) for name, column in found.items() if column}
    if roles.splits is not None:
        result["split"] = list(roles.splits)
    return result, count, roles


def _is_plain(kind: Any) -> bool:
    """Whether a column has texts, numbers or truth values, or lists of them."""
    from pyarrow import types

    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        kind = kind.value_type  # several labels for each image
    if types.is_dictionary(kind):
        kind = kind.value_type
    is_text = types.is_string(kind) or types.is_large_string(kind)
    return bool(
        is_text or types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind) or types.is_null(kind)
    )


def _class_name(value: object, classes: Sequence[str] | None) -> object:
    """The name of a class number, or of each in a list; None for -1, which means no label. Other values stay."""
    if isinstance(value, list):
        return [_class_name(each, classes) for each in value]
    if classes is None or not isinstance(value, int):
        return value
    if value >= len(classes):
        raise DataLayoutError(f"Class {value} has no name among the {len(classes)} of the data set.")
    return None if value < 0 else classes[value]


def _contents(sources: Sequence[tuple[Path, str]]) -> Iterator[tuple[int, bytes]]:
    """Position and encoded bytes of each image of all files; images without bytes are left out.

    Args:
        sources: Each file with the name of its column of images.
    """
    position = 0
    for path, column in sources:
        packed, unpacked = path.stat().st_size, 0
        try:
            for _, rows in _batches(path, [column]):
                for value in rows[column]:
                    content = value.get("bytes") if isinstance(value, dict) else value
                    if content is not None:
                        unpacked += len(content)
                        check_growth(path, packed, unpacked, small=64 * SMALL_BYTES)
                        yield position, content
                    position += 1
        except DataLayoutError as error:
            raise OSError(str(error)) from error


def _image_columns(schema: Any) -> list[str]:
    """The only column of images; of several the one named `image`; otherwise an empty list."""
    found = [field.name for field in schema if _is_image(field.type)]
    return found if len(found) == 1 else [name for name in found if name == "image"][:1]


def _image_column(path: Path) -> str:
    schema = _schema(path)
    found = _image_columns(schema)
    if not found:
        raise DataLayoutError(
            f"{path} needs one column of images: bytes, or {{bytes, path}} as Hugging Face writes them. If there are several, "
            f"one is named image. Received: {', '.join(f'{field.name} ({field.type})' for field in schema)}."
        )
    return found[0]


def _is_image(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        number = kind.get_field_index("bytes")
        return number >= 0 and _is_image(kind.field(number).type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _class_names(schema: Any) -> dict[str, list[str]]:
    """Class names by column of class numbers, from Hugging Face's metadata of the file."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        # A list of class numbers is a feature in a feature: several labels for each image.
        plain = {
            name: kind["feature"] if isinstance(kind.get("feature"), dict) else kind for name, kind in features.items()
        }
        numbered = {name: kind["names"] for name, kind in plain.items() if kind.get("_type") == "ClassLabel"}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
    return {name: [str(text) for text in names] for name, names in numbered.items() if isinstance(names, list)}


def _schema(path: Path) -> Any:
    with _reading(path):
        from pyarrow import ipc, memory_map, parquet

        if path.suffix.lower() == ".parquet":
            schema = parquet.read_schema(path)
        else:
            with memory_map(str(path)) as source, ipc.open_stream(source) as reader:
                schema = reader.schema
        _ = schema.names  # raises here if a name is not Unicode
        return schema


def _batches(path: Path, columns: list[str]) -> Iterator[tuple[int, dict[str, list[Any]]]]:
    """Number of rows and values by column, for some rows at a time. Batches are validated: a forged offset reads foreign memory."""
    with _reading(path):
        for batch in _record_batches(path, columns):
            batch.validate(full=True)
            yield batch.num_rows, {column: batch.column(column).to_pylist() for column in columns}


def _record_batches(path: Path, columns: list[str]) -> Iterator[Any]:
    from pyarrow import ipc, memory_map

    if path.suffix.lower() == ".parquet":
        yield from read_batches(path, columns, _BATCH_ROWS)
    else:
        # Memory-mapped: reading the labels does not read the images.
        with memory_map(str(path)) as source, ipc.open_stream(source) as reader:
            for batch in reader:
                yield batch.select(columns)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Convert errors of pyarrow to errors of the project."""
    try:
        from pyarrow import ArrowException
    except ImportError:
        raise MissingExtraError(
            "Arrow and Parquet files need pyarrow: pip install 'bottleneck-pipeline[parquet]'."
        ) from None
    try:
        yield
    except DataLayoutError:
        raise
    except (ArrowException, OSError, ValueError) as error:
        kind = "a Parquet file" if path.suffix.lower() == ".parquet" else "an Arrow stream"
        raise DataLayoutError(f"{path} is not {kind}, or is damaged: {error}.") from error
