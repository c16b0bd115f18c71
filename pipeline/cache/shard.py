"""One shard: an immutable HDF5 file whose name is the SHA-256 of its bytes.

A shard is built in memory, hashed, written beside its final name, fsynced and linked to it, so a
file of that name is whole. What is read is checked twice: the bytes against the name, before HDF5
sees them, and the structure against what a shard may hold, since a name is no proof of good intent
in a folder that came from elsewhere.
"""

import hashlib
import io
import json
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.cache.chunks import FILTERS, PackedRows, Visit
from pipeline.cache.own import check_no_links, reading
from pipeline.cache.recipe import SCHEMA, Recipe
from pipeline.errors import DamagedStoreError, UnreadableStoreError
from pipeline.images.hashing import Stamp, file_stamp

FULL_ROWS = 1024
FULL_BYTES = 256 * 2**20
"""A shard is full at whichever comes first; bytes are those of float32 rows."""

ROWS_PER_CHUNK = 8
_CHUNK_BYTES = 256 * 1024
_MAX_ROWS = 2**22
_MAX_RATIO = 256  # LZ4 makes no byte of more than 255


@dataclass(frozen=True)
class ShardRows:
    """What a shard holds beside its features."""

    path: Path
    digests: NDArray[np.uint8]
    """SHA-256 of each row's image: uint8 of shape (n, 32)."""

    views: NDArray[np.uint8]
    """View number of each row: uint8 of shape (n,)."""

    row_shape: tuple[int, ...]
    """Shape of one row of features: (h, w, C) or (C,)."""

    def __len__(self) -> int:
        return len(self.views)


def build_shard(
    recipe: Recipe,
    digests: NDArray[np.uint8],
    views: NDArray[np.uint8],
    features: NDArray[np.floating],
    provenance: Mapping[str, str],
) -> bytes:
    """The bytes of a shard; the same rows give the same bytes.

    Args:
        recipe: What made the rows.
        digests: uint8 of shape (n, 32).
        views: uint8 of shape (n,).
        features: Shape (n, h, w, C) or (n, C); converted to the recipe's dtype.
        provenance: Engine, library versions and the like, kept as attributes.

    Raises:
        OverflowError: A value is not finite, or too large for float16.
    """
    import hdf5plugin  # registers LZ4 with HDF5; readers of whole shards unpack it themselves

    stored = _to_dtype(features, recipe.dtype)
    image = io.BytesIO()
    with h5py.File(image, "w", libver=("earliest", "v110"), track_order=False) as file:
        file.attrs["schema"] = SCHEMA
        for name, text in (
            ("fingerprint", recipe.fingerprint),
            ("recipe", recipe.canonical_json()),
            ("provenance", json.dumps(dict(provenance), sort_keys=True)),
        ):
            file.attrs[name] = np.bytes_(text.encode())  # of fixed length; see `_text`
        # Half of ReLU features are zeros in runs; a byte shuffle would break the runs and makes them larger.
        file.create_dataset(
            "features", data=stored, chunks=_chunks(stored), fletcher32=True, **hdf5plugin.LZ4(), track_times=False
        )
        file.create_dataset("digest", data=digests, fletcher32=True, chunks=digests.shape, track_times=False)
        file.create_dataset("view", data=views, fletcher32=True, chunks=views.shape, track_times=False)
    return image.getvalue()


def shard_name(data: bytes) -> str:
    """First 32 hex digits of the bytes' SHA-256, and `.h5`."""
    return f"{hashlib.sha256(data).hexdigest()[:32]}.h5"


def commit_shard(folder: Path, data: bytes) -> Path:
    """Write a shard so that it is whole whenever its name is there, on the disk and not only in its cache.

    Raises:
        OSError: The disk is full or refuses; nothing is left behind.
        ForeignEntryError: The folder, or what has the shard's name, is a symbolic link.
    """
    final = folder / shard_name(data)
    check_no_links(folder, final)
    beside = folder / f".{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}.tmp"
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(final)
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(folder)
    return final


def check_bytes(path: Path) -> Stamp | None:
    """Check that a shard's bytes are those its name was made from.

    Returns:
        The file's stamp before it was read: as long as it is the same, the bytes are.

    Raises:
        DamagedStoreError: They differ.
        UnreadableStoreError, ForeignEntryError: They cannot be had; see `reading`.
    """
    stamp = file_stamp(path)
    with reading(path) as source:
        received = hashlib.file_digest(source, "sha256").hexdigest()[:32]
    if received != path.stem:
        raise DamagedStoreError(f"{path} is damaged: its bytes have SHA-256 {received}..., its name says {path.stem}.")
    return stamp


def read_rows(path: Path, recipe: Recipe) -> ShardRows:
    """The keys of a shard, after a check of its structure.

    Raises:
        DamagedStoreError: It is not a shard of this recipe, or not a shard at all.
        UnreadableStoreError, ForeignEntryError: Its bytes cannot be had; see `reading`.
    """
    with reading(path) as source, h5py.File(source, "r") as file:
        _check_structure(file, recipe, path)
        features = file["features"]
        return ShardRows(path, file["digest"][()], file["view"][()], tuple(features.shape[1:]))


def read_features(path: Path, recipe: Recipe) -> NDArray[np.floating]:
    """All features of a shard in the stored dtype, (n, h, w, C) or (n, C).

    Raises:
        DamagedStoreError: They are not what the shard says.
        UnreadableStoreError, ForeignEntryError: Its bytes cannot be had; see `reading`.
    """
    parts: dict[int, NDArray[np.floating]] = {}
    visit_features(path, recipe, parts.__setitem__)
    return np.concatenate([parts[first] for first in sorted(parts)])


def visit_features(path: Path, recipe: Recipe, visit: Visit) -> None:
    """Hand over all rows of a shard, some at a time, on all cores at once and in any order.

    Raises:
        DamagedStoreError: They are not what the shard says.
        UnreadableStoreError, ForeignEntryError: Its bytes cannot be had; see `reading`.
    """
    with reading(path) as source:
        with h5py.File(source, "r") as file:
            _check_structure(file, recipe, path)
            packed = PackedRows.of(file["features"])
            rows = np.empty(0, np.float32) if packed else _unpack(file["features"])
        source.seek(0)
        data = source.readall() if packed else b""
    try:
        if packed:
            packed.unpack(data, visit)
        else:
            visit(0, rows)
    except DamagedStoreError as error:
        raise DamagedStoreError(f"{path} cannot be read: {error}") from error
    except MemoryError as error:
        raise UnreadableStoreError(f"{path} cannot be read: memory ran out. Nothing was moved.") from error


def _unpack(item: h5py.Dataset) -> NDArray[np.floating]:
    """All rows of a data set that this project has not packed."""
    import hdf5plugin  # noqa: F401 (registers LZ4 with HDF5)

    rows: NDArray[np.floating] = item[()]
    return rows


def read_provenance(path: Path) -> dict[str, str]:
    """How a shard was made: engine, versions.

    Raises:
        DamagedStoreError: It does not say so in texts.
        UnreadableStoreError, ForeignEntryError: Its bytes cannot be had; see `reading`.
    """
    with reading(path) as source, h5py.File(source, "r") as file:
        provenance: dict[str, str] = json.loads(_text(file, "provenance") or "{}")
        if not isinstance(provenance, dict) or not all(isinstance(value, str) for value in provenance.values()):
            raise DamagedStoreError(f"{path}: its provenance is not a JSON object of texts.")
        return provenance


def _check_structure(file: h5py.File, recipe: Recipe, path: Path) -> None:
    """Refuse all that a shard of this recipe cannot be: links, foreign storage, other shapes, types or filters."""
    schema, fingerprint = _number(file, "schema"), _text(file, "fingerprint")
    if schema != SCHEMA or fingerprint != recipe.fingerprint:
        raise DamagedStoreError(
            f"{path} has schema {schema} and fingerprint {str(fingerprint)[:12]}; "
            f"expected {SCHEMA} and {recipe.fingerprint[:12]}. It belongs to another store."
        )
    if sorted(file) != ["digest", "features", "view"]:
        raise DamagedStoreError(f"{path} holds {sorted(file)[:8]}; a shard holds digest, features and view.")
    for name in file:
        link = file.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink) or file.get(name, getclass=True) is not h5py.Dataset:
            raise DamagedStoreError(f"{path}: {name} is not a plain data set of this file.")
        _check_dataset(file[name], path)
    rows = file["view"].shape
    expected = [("digest", "uint8", (*rows, 32)), ("view", "uint8", rows), ("features", recipe.dtype, None)]
    for name, dtype, shape in expected:
        item = file[name]
        if item.dtype != dtype or (shape is not None and item.shape != shape) or item.shape[:1] != rows:
            raise DamagedStoreError(
                f"{path}: {name} is {item.dtype} {item.shape}; expected {dtype} {shape or (*rows, '...')}."
            )


def _text(file: h5py.File, name: str) -> str | None:
    """An attribute of fixed length; None where there is none.

    One of variable length lies in a heap of the file, and HDF5 1.14 searches a forged heap for ever.
    """
    is_ours = name in file.attrs and _kind(file, name) == "S"
    return bytes(file.attrs[name]).decode() if is_ours else None


def _number(file: h5py.File, name: str) -> int | None:
    return int(file.attrs[name]) if name in file.attrs and _kind(file, name) in "iu" else None


def _kind(file: h5py.File, name: str) -> str:
    """Kind of a single value, without looking at the value; `?` for several."""
    found = file.attrs.get_id(name)
    return str(found.dtype.kind) if found.shape == () else "?"


def _check_dataset(item: h5py.Dataset, path: Path) -> None:
    creation = item.id.get_create_plist()
    filters = {creation.get_filter(number)[0] for number in range(creation.get_nfilters())}
    whole = item.chunks is not None and item.id.get_num_chunks() == _num_chunks(item)
    if creation.get_external_count() or item.is_virtual or not whole or filters - set(FILTERS):
        raise DamagedStoreError(
            f"{path}: {item.name} must lie in this file, in chunks that are all there, with LZ4 and Fletcher-32 only."
        )
    if item.nbytes > _MAX_RATIO * item.id.get_storage_size():
        raise DamagedStoreError(f"{path}: {item.name} promises {item.nbytes:,} bytes, more than its chunks can hold.")
    if item.ndim not in (1, 2, 4) or not 0 < item.shape[0] <= _MAX_ROWS:
        raise DamagedStoreError(f"{path}: {item.name} has the shape {item.shape}, which no shard has.")


def _num_chunks(item: h5py.Dataset) -> int:
    return int(np.prod([-(-size // chunk) for size, chunk in zip(item.shape, item.chunks, strict=True)]))


def _chunks(features: NDArray[np.generic]) -> tuple[int, ...]:
    """8 rows a chunk; more where rows are small, up to 256 KiB."""
    row_bytes = max(1, features[0].nbytes)
    rows = max(ROWS_PER_CHUNK, _CHUNK_BYTES // row_bytes // ROWS_PER_CHUNK * ROWS_PER_CHUNK)
    return (min(rows, len(features)), *features.shape[1:])


def _to_dtype(features: NDArray[np.floating], dtype: str) -> NDArray[np.floating]:
    limit = np.finfo(dtype).max
    # A NaN is its own minimum and maximum, and compares false.
    if not (-limit <= features.min(initial=0) and features.max(initial=0) <= limit):
        raise OverflowError(
            f"Features are not finite, or beyond {limit:g}, the largest {dtype}. Use --dtype float32, "
            "and check the weights and the preprocessing if it stays."
        )
    return features.astype(dtype, copy=False)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
