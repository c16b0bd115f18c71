"""Manifests of data frames in Python: pandas, polars, and the others that narwhals supports."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import DataLayoutError
from pipeline.images.entries import Listed, entries_of
from pipeline.images.manifest import Contents, Manifest
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.tables.delimited import Table, Texts
from pipeline.images.sources.tables.objects import texts_of
from pipeline.images.sources.tables.places import place_of
from pipeline.images.sources.tables.roles import find_path, find_roles, without_ignored
from pipeline.images.sources.tables.tables import columns_of, list_paths, manifest_of_paths

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame

_SOURCE = "the frame"
_FEW_COLUMNS = 20
"""Frames with more are listed in part, by the message for all tables."""


def scan_frame(
    frame: "IntoDataFrame",
    reading: Reading,
) -> Manifest:
    """The manifest of a data frame, in its order, with the columns of a table (`scan_table`).

    Instead of paths, a column `image` may contain encoded bytes, or {bytes, path} as in Hugging Face's data sets.

    Args:
        frame: A pandas or polars frame, or another eager one.
        reading: How it is read. Without a root, paths are relative to the current folder or, if some paths are absolute, to the
            folder that all absolute paths share, if there is one.

    Raises:
        DataLayoutError: It is not a data frame, or its columns are not usable.
    """
    texts, images = _columns(frame, reading)
    if images is None:
        _check_path(texts, reading)
        return manifest_of_paths(
            Table(texts),
            reading,
            source=_SOURCE,
            title="frame",
            folder=place_of(reading, _folder_of(texts, reading)),
        )
    roles = find_roles(texts, reading, _SOURCE)
    contents, digests, names = _encoded(images)
    found = columns_of(texts, roles, names, range(len(images)), kind=reading.task)
    return found.manifest(contents, digests, reading, "frame")


def list_frame(frame: "IntoDataFrame", reading: Reading) -> Listed:
    """One image for each row of a frame, in its order, by its path or number; columns other than those of `scan_frame` are not used.

    Raises:
        DataLayoutError: It is not a data frame, or has no images.
    """
    texts, images = _columns(frame, reading)
    if images is None:
        folder = place_of(reading, _folder_of(texts, reading))
        return list_paths(texts, reading, source=_SOURCE, folder=folder)
    contents, digests, names = _encoded(images)
    return Listed(entries_of(names, contents, digests))


def _columns(frame: "IntoDataFrame", reading: Reading) -> tuple[Texts, list[Any] | None]:
    """The columns of texts that are used, and the column of encoded images if there is one.

    Raises:
        DataLayoutError: There are images, and no rows.
    """
    columns = _read(frame)
    images = columns.pop("image", None) if _is_encoded(columns.get("image")) else None
    if images is not None and not images:
        raise DataLayoutError(f"The frame has no rows. Received columns: {['image', *columns]}.")
    return without_ignored(texts_of(columns), reading, _SOURCE), images


def _check_path(texts: Texts, reading: Reading) -> None:
    """Raise DataLayoutError, with what to do, if no column of a frame has paths."""
    if find_path(texts, reading, _SOURCE) is None and len(texts) < _FEW_COLUMNS:
        raise DataLayoutError(
            f"{_SOURCE.capitalize()} needs a column `path`. Received columns: {list(texts)}. If its index has the paths, use "
            "frame.rename_axis('path').reset_index(); if another column has them, name it with path_column."
        )


def _encoded(images: Sequence[Any]) -> tuple[Contents, list[bytes | OSError], list[str]]:
    """The bytes of N images, their digests and their names."""
    contents = tuple(_bytes_of(value, row) for row, value in enumerate(images))
    digests = [content if isinstance(content, OSError) else hashlib.sha256(content).digest() for content in contents]
    return Contents(contents), digests, [f"#{row}" for row in range(len(images))]


def _is_encoded(images: Sequence[Any] | None) -> bool:
    """Whether a column is one of images and not of paths."""
    return images is not None and not any(isinstance(value, str | Path) for value in images)


def _read(frame: "IntoDataFrame") -> dict[str, list[Any]]:
    """The frame's columns, with None for every value that its library treats as missing; a named index of pandas is a column."""
    import narwhals
    from narwhals.exceptions import DuplicateError

    try:
        table = narwhals.from_native(_with_plain_names(frame), eager_only=True)
    except TypeError as error:
        raise DataLayoutError(
            "Data is a path, a name such as keras:mnist, a manifest, a data frame, or arrays as (images, labels). Received: "
            f"{type(frame).__name__}. Make a frame with the columns path and label of a list, a dict or a Series; collect a lazy frame first; "
            "stack images of one size with np.stack."
        ) from error
    except DuplicateError as error:
        raise DataLayoutError(
            f"{_SOURCE.capitalize()} has several columns of one name. Rename or remove them."
        ) from error
    return {
        series.name: [
            None if is_null else value
            for value, is_null in zip(series.to_list(), series.is_null().to_list(), strict=True)
        ]
        for series in table.iter_columns()
    }


def _with_plain_names(frame: Any) -> Any:
    """A frame of pandas whose named index levels are columns, and whose names are texts: pandas has numbers and tuples too."""
    levels = getattr(getattr(frame, "index", None), "names", None)
    if levels is None or not hasattr(frame, "columns"):
        return frame
    names = [name for name in levels if name is not None and name not in frame.columns]
    plain = frame.reset_index(level=names) if names else frame
    columns = [".".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in plain.columns]
    return plain if list(plain.columns) == columns else plain.set_axis(columns, axis=1)


def _folder_of(texts: Texts, reading: Reading) -> Path:
    name = find_path(texts, reading, _SOURCE)
    paths = texts[name] if name else ()
    absolute = [os.path.dirname(path) for path in paths if path and os.path.isabs(path)]  # noqa: PTH117, PTH120 strings
    shared = Path(os.path.commonpath(absolute)) if absolute else Path.cwd()
    return shared if shared.is_dir() else Path.cwd()  # the paths are those of another computer


def _bytes_of(value: object, row: int) -> bytes | OSError:
    content = value.get("bytes") if isinstance(value, Mapping) else value
    if content is None:
        return OSError("no bytes in the data set")
    if not isinstance(content, bytes):
        raise DataLayoutError(
            "The column `image` contains encoded images: bytes, or {bytes, path}. "
            f"Received: {type(content).__name__} in row {row}. Put paths into a column `path`."
        )
    return content
