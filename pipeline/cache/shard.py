"""One shard: an immutable HDF5 file whose name is the SHA-256 of its bytes.

A shard is built in memory, hashed, written under a hidden name, fsynced and renamed, so a file of the
final name is whole. Reading checks twice: the bytes against the name, before HDF5 sees them, and the
structure against what a shard may hold, since a file from elsewhere may be forged under a valid name.
"""

import hashlib
import io
import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.cache.chunks import FILTERS, PackedRows, Visit, write_packed
from pipeline.cache.own import check_no_links, reading
from pipeline.cache.recipe import SCHEMA, Recipe
from pipeline.errors import DamagedStoreError, SettingError, UnreadableStoreError
from pipeline.files import write_bytes
from pipeline.images.files.hash_table import Stamp
from pipeline.images.files.hashing import file_stamp

FULL_ROWS = 1024
FULL_BYTES = 64 * 2**20
"""A shard is full when it reaches either limit; bytes are those of float32 rows. The last shard of a job is packed and written when
nothing else is left to do, so it should not be large."""

ROWS_PER_CHUNK = 8
_CHUNK_BYTES = 256 * 1024
_MAX_ROWS = 2**22
_MAX_RATIO = 256  # LZ4 compresses at most 255 bytes into one
_MAX_TEXT = 2**16  # characters of provenance; HDF5 keeps larger attributes in another way


@dataclass(frozen=True)
class ShardRows:
    """The keys of a shard's rows, and their shape."""

    path: Path
    digests: NDArray[np.uint8]
    """SHA-256 of each row's image: uint8 of shape (n, 32)."""

    views: NDArray[np.uint8]
    """View number of each row: uint8 of shape (n,)."""

    row_shape: tuple[int, ...]
    """Shape of one row of features: (h, w, C) or (C,)."""

    def __len__(self) -> int:
        return len(self.views)

    @property
    def keys(self) -> NDArray[np.bytes_]:
        """The keys of the rows, in order, dtype S33: see `pipeline.cache.store.Keys`."""
        joined = np.concatenate([self.digests, self.views[:, None]], axis=1)
        return np.frombuffer(np.ascontiguousarray(joined).tobytes(), dtype="S33")


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
    import hdf5plugin  # noqa: F401 (registers LZ4 with HDF5; `pipeline.cache.chunks` packs and unpacks without it)

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
        # Half of all ReLU features are zeros, in runs. A byte shuffle would break the runs and make the file larger.
        write_packed(file, "features", stored, _chunks(stored))
        file.create_dataset("digest", data=digests, fletcher32=True, chunks=digests.shape, track_times=False)
        file.create_dataset("view", data=views, fletcher32=True, chunks=views.shape, track_times=False)
    return image.getvalue()


def shard_name(data: bytes) -> str:
    """The first 32 hex digits of the bytes' SHA-256, and `.h5`."""
    return f"{hashlib.sha256(data).hexdigest()[:32]}.h5"


def commit_shard(folder: Path, data: bytes, *, check: Callable[[], object] | None = None) -> Path:
    """Write a shard. A file of its name is always whole, and when this returns it survives a power failure.

    Args:
        folder: That of the shards.
        data: The shard.
        check: See `write_bytes`.

    Raises:
        OSError: The disk is full or fails; nothing is left behind.
        ForeignEntryError: The folder, or an entry with the shard's name, is a symbolic link.
    """
    final = folder / shard_name(data)
    check_no_links(folder, final)
    write_bytes(final, data, check=check)
    return final


def check_shard(path: Path, recipe: Recipe) -> tuple[ShardRows, NDArray[np.bool_]]:
    """Check everything that can be known of a shard: its bytes, its structure, and that its rows can be unpacked.

    Returns:
        Its keys, and which of its rows are finite, (n,).

    Raises:
        DamagedStoreError: Something is wrong.
        UnreadableStoreError, ForeignEntryError: It cannot be read; see `reading`.
    """
    check_bytes(path)
    rows = read_rows(path, recipe)
    finite = np.ones(len(rows), np.bool_)

    def visit(first: int, part: NDArray[np.floating]) -> None:
        finite[first : first + len(part)] = np.isfinite(part).reshape(len(part), -1).all(axis=1)

    visit_features(path, recipe, visit)
    return rows, finite


def check_bytes(path: Path) -> Stamp | None:
    """Check that a shard's bytes are those its name was made from.

    Returns:
        The file's stamp before it was read; the bytes are unchanged as long as the stamp is.

    Raises:
        DamagedStoreError: They are not.
        UnreadableStoreError, ForeignEntryError: They cannot be read; see `reading`.
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
        UnreadableStoreError, ForeignEntryError: The file cannot be read; see `reading`.
    """
    with reading(path) as source, h5py.File(source, "r") as file:
        _check_structure(file, recipe, path)
        features = file["features"]
        return ShardRows(path, file["digest"][()], file["view"][()], tuple(features.shape[1:]))


def read_features(path: Path, recipe: Recipe) -> NDArray[np.floating]:
    """All features of a shard in the stored dtype, (n, h, w, C) or (n, C).

    Raises:
        DamagedStoreError: They do not fit the shard's structure.
        UnreadableStoreError, ForeignEntryError: The file cannot be read; see `reading`.
    """
    parts: dict[int, NDArray[np.floating]] = {}
    visit_features(path, recipe, parts.__setitem__)
    return np.concatenate([parts[first] for first in sorted(parts)])


def visit_features(path: Path, recipe: Recipe, visit: Visit) -> None:
    """Call `visit` with all rows of a shard, some at a time, in parallel on all cores and in any order.

    Raises:
        DamagedStoreError: They do not fit the shard's structure.
        UnreadableStoreError, ForeignEntryError: The file cannot be read; see `reading`.
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
    """All rows of a data set that was not packed by this package."""
    import hdf5plugin  # noqa: F401 (registers LZ4 with HDF5)

    rows: NDArray[np.floating] = item[()]
    return rows


def read_provenance(path: Path) -> dict[str, str]:
    """How a shard was made: engine, device, versions, seconds.

    Raises:
        DamagedStoreError: Its provenance is not a JSON object of texts.
        UnreadableStoreError, ForeignEntryError: The file cannot be read; see `reading`.
    """
    with reading(path) as source, h5py.File(source, "r") as file:
        return _provenance(file, path)


def read_shard_recipe(path: Path) -> Recipe:
    """The recipe that a shard was made by, for a store that has lost its own.

    Raises:
        DamagedStoreError: The shard is damaged, or has no recipe.
        UnreadableStoreError, ForeignEntryError: The file cannot be read; see `reading`.
    """
    check_bytes(path)
    with reading(path) as source, h5py.File(source, "r") as file:
        text = _text(file, "recipe")
        if text is None:
            raise DamagedStoreError(f"{path} has no recipe.")
        try:
            return Recipe.from_dict(json.loads(text))
        except SettingError as error:
            raise DamagedStoreError(f"{path} has no valid recipe: {error}") from error


def _provenance(file: h5py.File, path: Path) -> dict[str, str]:
    """The provenance, checked: texts that can be printed, and seconds that are a number."""
    text = _text(file, "provenance")
    if text is None and "provenance" not in file.attrs:
        return {}
    provenance = json.loads(text) if text is not None and len(text) <= _MAX_TEXT else None
    if not isinstance(provenance, dict) or not all(isinstance(value, str) for value in provenance.values()):
        raise DamagedStoreError(f"{path}: its provenance is not a JSON object of texts.")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for word in provenance.items() for letter in "".join(word)):
        raise DamagedStoreError(f"{path}: its provenance has characters that cannot be printed.")
    if not 0 <= float(provenance.get("seconds", 0)) < math.inf:
        raise DamagedStoreError(f"{path}: its rows took {provenance['seconds'][:32]!r} seconds, which is not a time.")
    return provenance


def _check_structure(file: h5py.File, recipe: Recipe, path: Path) -> None:
    """Refuse whatever a shard of this recipe never has: links, external storage, other shapes, types or filters."""
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
    if len(rows) != 1 or file["features"].ndim not in (2, 3, 4):
        raise DamagedStoreError(f"{path}: a row has the shape {file['features'].shape[1:]}, which no row has.")
    _provenance(file, path)


def _text(file: h5py.File, name: str) -> str | None:
    """A text attribute of fixed length; None if there is none.

    A text of variable length lies in a heap of the file, and HDF5 1.14 searches a forged heap for ever.
    """
    is_fixed = name in file.attrs and _kind(file, name) == "S"
    return bytes(file.attrs[name]).decode() if is_fixed else None


def _number(file: h5py.File, name: str) -> int | None:
    return int(file.attrs[name]) if name in file.attrs and _kind(file, name) in "iu" else None


def _kind(file: h5py.File, name: str) -> str:
    """Kind of a single value, found without reading the value; `?` for an array."""
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
    if item.ndim not in (1, 2, 3, 4) or not 0 < item.shape[0] <= _MAX_ROWS or not all(item.shape):
        raise DamagedStoreError(f"{path}: {item.name} has the shape {item.shape}, which no shard has.")


def _num_chunks(item: h5py.Dataset) -> int:
    return int(np.prod([-(-size // chunk) for size, chunk in zip(item.shape, item.chunks, strict=True)]))


def _chunks(features: NDArray[np.generic]) -> tuple[int, ...]:
    """Chunk shape: 8 rows, or more if rows are small, up to 256 KiB."""
    row_bytes = max(1, features[0].nbytes)
    rows = max(ROWS_PER_CHUNK, _CHUNK_BYTES // row_bytes // ROWS_PER_CHUNK * ROWS_PER_CHUNK)
    return (min(rows, len(features)), *features.shape[1:])


def _to_dtype(features: NDArray[np.floating], dtype: str) -> NDArray[np.floating]:
    limit = np.finfo(dtype).max
    # If there is a NaN, it is both minimum and maximum, and every comparison is false.
    if not (-limit <= features.min(initial=0) and features.max(initial=0) <= limit):
        raise OverflowError(
            f"Features are not finite, or beyond {limit:g}, the largest {dtype}. Use --dtype float32, "
            "and check the weights and the preprocessing if the error stays."
        )
    return features.astype(dtype, copy=False)
