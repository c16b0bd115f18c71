"""Manifests of tables that hold the images themselves: Arrow and Parquet, as Hugging Face's data sets are stored.

Read are a folder made by `save_to_disk`, a folder of Parquet shards as downloaded from the hub, and single Parquet
files. Only the columns are read, by pyarrow: nothing of a data set is run, and no path in it is opened. Both
formats are read from front to back, so their images go through a `Spool`.
"""

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.errors import DataLayoutError, MissingExtraError
from pipeline.images.hashing import FileHashes
from pipeline.images.manifest import Manifest, Skipped
from pipeline.images.sources.folders import has_image_extension
from pipeline.images.sources.spool import Spool
from pipeline.images.sources.tables import check_label, columns_of
from pipeline.images.splits import SPLIT_NAMES, Fractions

# As the hub names them: train-00000-of-00001.parquet, with a hash in older data sets; or train.parquet.
_SHARD = re.compile(rf"(\w+?)-\d{{5}}-of-\d{{5}}\b.*\.parquet|({'|'.join(SPLIT_NAMES)})\.parquet", re.IGNORECASE)
_BATCH_ROWS = 64


@dataclass(frozen=True)
class Shard:
    """One file of rows."""

    path: Path

    split: str | None = None
    """What its name says of its split."""


def find_shards(folder: Path) -> list[Shard]:
    """The shards of a folder that is a data set of Hugging Face; none for any other folder.

    Raises:
        DataLayoutError: It is damaged, holds several data sets, or a shard leads out of the folder.
    """
    if (folder / "state.json").is_file():
        shards = _saved_shards(folder, None)
    elif (folder / "dataset_dict.json").is_file():
        parts = sorted(state.parent for state in folder.glob("*/state.json"))
        shards = [shard for part in parts for shard in _saved_shards(part, part.name)]
    else:
        shards = _hub_shards(folder)
    inside = folder.resolve()
    for shard in shards:
        if not shard.path.resolve().is_relative_to(inside):
            raise DataLayoutError(f"{shard.path} leads out of the data folder. Put the file itself into it.")
    return shards


def has_images(path: Path) -> bool:
    """Whether a Parquet file has a column of images.

    Raises:
        MissingExtraError: pyarrow is not installed.
        DataLayoutError: It is not a Parquet file.
    """
    return bool(_image_columns(_schema(path)))


def scan_shards(
    shards: Sequence[Shard],
    *,
    title: str,
    label: str,
    fractions: Fractions,
    split_seed: int,
    hashes: FileHashes,
    home: Path,
    progress: bool,
) -> Manifest:
    """The manifest of shards, in their order.

    Args:
        shards: What `find_shards` found, or one Parquet file, whose `split` and `group` columns are obeyed.
        title: Short name of the data set.
        label: The column of the labels; if it is the default and there is none, the only column of class numbers.
        fractions: Shares of the splits that are left open.
        split_seed: Seed of those shares.
        hashes: Remembered digests.
        home: Where images are laid out for stage one, in a file without a name.
        progress: Show a bar.

    Raises:
        DataLayoutError: A shard is damaged, has no images or no such label column.
        MissingExtraError: pyarrow is not installed.
    """
    known, skipped = _with_known_splits(shards)
    texts: dict[str, list[str | None]] = {"label": [], "split": [], "group": []}
    names: list[str] = []
    digests: list[bytes | OSError] = []
    places = [(shard.path, _image_column(shard.path)) for shard in known]
    images = Spool(partial(_contents, places), home)
    counts: Counter[str | None] = Counter()
    for shard in known:
        rows, count = _read_texts(shard, label)
        members = [str(row) for row in range(count)]
        read = partial(_read_from, images, len(names))
        digests += hashes.member_digests(shard.path, members, read, progress=progress)
        first = counts[shard.split]
        names += [f"{shard.split or ''}#{number}" for number in range(first, first + count)]
        counts[shard.split] += count
        for name in texts:
            texts[name] += rows.get(name, [None] * count)
    if not names:
        raise DataLayoutError(f"There is no row in {[str(shard.path) for shard in known][:4]}.")
    columns = columns_of(texts, names, range(len(names)), label="label", source=title, skipped=skipped)
    return columns.manifest(images, digests, fractions=fractions, split_seed=split_seed, title=title)


def _read_from(images: Spool, start: int, row: int) -> bytes:
    return images.read(start + row)


def _with_known_splits(shards: Sequence[Shard]) -> tuple[list[Shard], list[Skipped]]:
    """Shards with the project's names of splits; those of other splits (`unsupervised`, `extra`) are left out."""
    known = [Shard(shard.path, SPLIT_NAMES.get((shard.split or "").lower())) for shard in shards]
    if not any(shard.split for shard in known):
        return known, []
    others = [
        Skipped(str(shard.path), f"its split is none of {sorted(SPLIT_NAMES)}") for shard in known if not shard.split
    ]
    return [shard for shard in known if shard.split], others


def _saved_shards(folder: Path, split: str | None) -> list[Shard]:
    """The Arrow files that a saved data set names; files of its cache lie beside them."""
    state = folder / "state.json"
    try:
        names = [str(entry["filename"]) for entry in json.loads(state.read_bytes())["_data_files"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataLayoutError(f"{state} does not name the files of a saved data set: {error!r}.") from error
    return [Shard(folder / name, split) for name in names]


def _hub_shards(folder: Path) -> list[Shard]:
    """Parquet files that are named as the hub names them, in the folder or in one folder below it, if no images are there."""
    found: dict[Path, list[Shard]] = {}
    for place, name in _names(folder):
        if has_image_extension(name):
            return []  # class folders, which may hold a million more
        if match := _SHARD.fullmatch(name):
            found.setdefault(place, []).append(Shard(place / name, match[1] or match[2]))
    if len(found) > 1:
        raise DataLayoutError(f"{folder} holds several data sets; name one of them: {sorted(map(str, found))}.")
    return sorted(next(iter(found.values()), []), key=lambda shard: shard.path)


def _names(folder: Path) -> Iterator[tuple[Path, str]]:
    """What lies in a folder, and then what lies in the folders in it."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            yield folder, entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(Path(entry.path))
    for place in folders:
        with contextlib.suppress(PermissionError), os.scandir(place) as entries:
            yield from ((place, entry.name) for entry in entries)


def _read_texts(shard: Shard, label: str) -> tuple[dict[str, list[str | None]], int]:
    """Labels, and splits and groups where there are columns of them, and the number of rows."""
    schema = _schema(shard.path)
    classes = _class_names(schema)
    if label == "label" and label not in schema.names and len(classes) == 1:
        label = next(iter(classes))
    check_label(label, schema.names, str(shard.path))
    wanted = {"label": label, "group": "group"} | ({} if shard.split else {"split": "split"})
    wanted = {name: column for name, column in wanted.items() if column in schema.names}
    texts: dict[str, list[str | None]] = {name: [] for name in wanted}
    count = 0
    for number, rows in _batches(shard.path, sorted(set(wanted.values()))):
        count += number
        for name, column in wanted.items():
            texts[name] += [_text(value, classes.get(column)) for value in rows[column]]
    if shard.split:
        texts["split"] = [shard.split] * count
    return texts, count


def _text(value: object, classes: Sequence[str] | None) -> str | None:
    """A label as text: the name of a class number, and None for -1, which stands for none."""
    if value is None or classes is None or not isinstance(value, int):
        return None if value is None else str(value)
    if value >= len(classes):
        raise DataLayoutError(f"Class {value} has no name among the {len(classes)} of the data set.")
    return None if value < 0 else classes[value]


def _contents(places: Sequence[tuple[Path, str]]) -> Iterator[tuple[int, bytes]]:
    """Positions and encoded bytes of the images of all shards, given by their columns, without those that have no bytes."""
    position = 0
    for path, column in places:
        try:
            for _, rows in _batches(path, [column]):
                for value in rows[column]:
                    content = value.get("bytes") if isinstance(value, dict) else value
                    if content is not None:
                        yield position, content
                    position += 1
        except DataLayoutError as error:
            raise OSError(str(error)) from error


def _image_columns(schema: Any) -> list[str]:
    """The only column of images, or the one of them that is named `image`, or none."""
    found = [field.name for field in schema if _is_image(field.type)]
    return found if len(found) == 1 else [name for name in found if name == "image"][:1]


def _image_column(path: Path) -> str:
    schema = _schema(path)
    found = _image_columns(schema)
    if not found:
        raise DataLayoutError(
            f"{path} needs one column of images: bytes, or {{bytes, path}} as Hugging Face writes them; one of "
            f"several is named image. Received: {', '.join(f'{field.name} ({field.type})' for field in schema)}."
        )
    return found[0]


def _is_image(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and _is_image(kind.field(place).type)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _class_names(schema: Any) -> dict[str, list[str]]:
    """The names of the classes of each column of class numbers, from what Hugging Face keeps with the columns."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        numbered = {name: kind["names"] for name, kind in features.items() if kind.get("_type") == "ClassLabel"}
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
        _ = schema.names  # raises where one is not Unicode, before anything else asks for it
        return schema


def _batches(path: Path, columns: list[str]) -> Iterator[tuple[int, dict[str, list[Any]]]]:
    """Numbers of rows and the values of these columns, some rows at a time, checked: a forged offset would read what is not theirs."""
    with _reading(path):
        for batch in _record_batches(path, columns):
            batch.validate(full=True)
            yield batch.num_rows, {column: batch.column(column).to_pylist() for column in columns}


def _record_batches(path: Path, columns: list[str]) -> Iterator[Any]:
    from pyarrow import ipc, memory_map, parquet

    if path.suffix.lower() == ".parquet":
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(_BATCH_ROWS, columns=columns)
    else:
        # Mapped: the images are not read where only the labels are wanted.
        with memory_map(str(path)) as source, ipc.open_stream(source) as reader:
            for batch in reader:
                yield batch.select(columns)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What pyarrow raises, as errors of the project."""
    try:
        from pyarrow import ArrowException
    except ImportError:
        raise MissingExtraError(
            "Arrow and Parquet files need pyarrow: pip install 'bottleneck-pipeline[parquet]'."
        ) from None
    try:
        yield
    except (ArrowException, OSError, ValueError) as error:
        kind = "a Parquet file" if path.suffix.lower() == ".parquet" else "an Arrow stream"
        raise DataLayoutError(f"{path} is not {kind}, or is damaged: {error}.") from error
