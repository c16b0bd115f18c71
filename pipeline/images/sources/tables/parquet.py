"""The columns of a Parquet file, which may come from elsewhere.

A dictionary and run lengths make a column of a million equal values a few bytes long. So its promises (rows, values, bytes) are
checked first, and each text is in memory once.
"""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pipeline.images.files.limits import SMALL_ARRAYS_BYTES, check_cells, check_growth

_BATCH_ROWS = 4096
_BATCH_BYTES = 2**26


def read_columns(path: Path) -> dict[str, list[object]]:
    """All columns by name, each with one value per row.

    Raises:
        DataLayoutError: The file promises more than a table of images has; see `pipeline.images.files.limits`.
        Exception: Of any type, if the file is damaged.
    """
    from pyarrow import parquet, types

    with parquet.ParquetFile(path) as file:
        check_promise(path, file)
        schema = file.schema_arrow
        texts = [field.name for field in schema if types.is_string(field.type) or types.is_large_string(field.type)]
        small = [name for name in schema.names if name not in texts and not _shared(file, {name})]
        slow = [name for name in schema.names if name in _delta(file) or name not in (*texts, *small)]
    columns: dict[str, list[object]] = {name: [] for name in schema.names}
    # As dictionaries, texts that are written once are in memory once.
    with parquet.ParquetFile(path, read_dictionary=texts) as file:
        for group in range(file.num_row_groups):
            quick = [name for name in schema.names if name not in slow]
            for batch in file.read_row_group(group, quick).to_batches():
                _add(columns, batch)
    for batch in read_batches(path, slow) if slow else ():
        _add(columns, batch)
    return columns


def read_batches(path: Path, columns: list[str], at_most: int = _BATCH_ROWS) -> Iterator[Any]:
    """Some rows of these columns at a time, in batches that are bounded by their bytes, and together by `MAX_RATIO`.

    Raises:
        DataLayoutError: More comes than a file of this size has.
    """
    from pyarrow import parquet

    packed, unpacked = path.stat().st_size, 0
    with parquet.ParquetFile(path) as file:
        check_promise(path, file)
        for batch in file.iter_batches(batch_rows(file, set(columns), at_most), columns=columns):
            unpacked += batch.nbytes
            check_growth(path, packed, unpacked, small=SMALL_ARRAYS_BYTES)
            yield batch


def _add(columns: dict[str, list[object]], batch: Any) -> None:
    """Add the values of a batch to the columns."""
    from pyarrow import types

    batch.validate(full=True)  # a forged offset reads foreign memory
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if types.is_dictionary(column.type):
            values = column.dictionary.to_pylist()
            columns[name] += [None if index is None else values[index] for index in column.indices.to_pylist()]
        else:
            columns[name] += column.to_pylist()


def check_promise(path: Path, file: Any) -> None:
    """Check what the metadata of a file promises.

    Args:
        path: For the message, and its size.
        file: The `pyarrow.parquet.ParquetFile`.

    Raises:
        DataLayoutError: It is more than a table of images has.
    """
    packed = path.stat().st_size
    chunks = list(_chunks(file))
    check_cells(path, packed, max(sum(chunk.num_values for chunk in chunks), file.metadata.num_rows))
    check_growth(path, packed, sum(chunk.total_uncompressed_size for chunk in chunks), small=SMALL_ARRAYS_BYTES)


def batch_rows(file: Any, columns: Collection[str], at_most: int = _BATCH_ROWS) -> int:
    """Rows to read at a time, so that a batch takes at most 64 MiB even if each value is as long as its column's part of the file.

    Args:
        file: The `pyarrow.parquet.ParquetFile`.
        columns: Names of the columns that are read.
        at_most: The number where no value can be shared by rows: then no more comes than was written.
    """
    longest = max((chunk.total_uncompressed_size for chunk in _shared(file, columns)), default=1)
    return max(1, min(at_most, _BATCH_BYTES // max(1, longest)))


def _chunks(file: Any) -> Iterator[Any]:
    """The parts of all columns, of all groups of rows."""
    metadata = file.metadata
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for column in range(row_group.num_columns):
            yield row_group.column(column)


def _shared(file: Any, columns: Collection[str]) -> list[Any]:
    """The parts of columns in which a value that is written once can become many: by a dictionary, or by common beginnings."""
    return [
        chunk
        for chunk in _chunks(file)
        if chunk.path_in_schema.split(".")[0] in columns
        and chunk.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
        and not {"PLAIN", "RLE", "BIT_PACKED"}.issuperset(chunk.encodings)
    ]


def _delta(file: Any) -> set[str]:
    """The columns with common beginnings, which cannot be read as dictionaries."""
    return {chunk.path_in_schema.split(".")[0] for chunk in _chunks(file) if "DELTA_BYTE_ARRAY" in chunk.encodings}
