"""Looking after stores: list, verify, prune, export to one plain file, import from elsewhere."""

import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from pipeline.cache.own import check_no_links, check_tree, is_gone, list_folder, reading
from pipeline.cache.shard import check_bytes, commit_shard, read_features, read_provenance, read_rows
from pipeline.cache.store import Store, row_keys
from pipeline.errors import DamagedStoreError, DataNotFoundError, ForeignEntryError, UnreadableStoreError
from pipeline.files import replacing
from pipeline.images.manifest import SPLITS, Manifest

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BadRow:
    """Something wrong in a store; `row` is None when it concerns the whole shard or the whole store."""

    shard: str
    row: int | None
    reason: str

    is_damage: bool = True
    """The bytes are wrong; False: they could not be read, or lie behind a link, and nothing is known of them."""


def list_stores(cache: Path) -> list[Store]:
    """All stores below a cache folder, by name; what cannot be opened is named in a warning and passed over.

    Raises:
        UnreadableStoreError: The cache folder itself cannot be read.
    """
    return open_stores(cache)[0]


def open_stores(cache: Path) -> tuple[list[Store], list[BadRow]]:
    """All stores below a cache folder, by name, and those that are refused; a folder of something else is neither.

    Raises:
        UnreadableStoreError: The cache folder itself cannot be read.
    """
    stores, refused = [], []
    for folder in _store_folders(cache):
        try:
            stores.append(Store.open(folder))
        except DamagedStoreError as error:
            logger.warning("%s It is passed over.", error)
        except (ForeignEntryError, UnreadableStoreError) as error:
            logger.warning("%s The store is passed over.", error)
            refused.append(BadRow(folder.name, None, str(error), is_damage=False))
    return stores, refused


def _store_folders(cache: Path) -> list[Path]:
    return [path for path in list_folder(cache) if not is_gone(path / "recipe.json")]


def find_store(name: str, cache: Path) -> Store:
    """The one store whose folder name starts or ends with `name`.

    Raises:
        DataNotFoundError: None or several do.
    """
    stores = list_stores(cache)
    matches = [store for store in stores if store.name.startswith(name) or store.name.endswith(name)]
    if len(matches) != 1:
        raise DataNotFoundError(
            f"{name!r} names {len(matches)} stores below {cache}. Expected one of: {', '.join(s.name for s in stores)}."
        )
    return matches[0]


def describe_all(cache: Path) -> list[dict[str, Any]]:
    """What `describe` says of each store; one that cannot be read is named in a warning and passed over."""
    described = []
    for store in list_stores(cache):
        try:
            described.append(describe(store))
        except (ForeignEntryError, UnreadableStoreError) as error:
            logger.warning("%s The store is passed over.", error)
    return described


def describe(store: Store) -> dict[str, Any]:
    """Rows, shards, bytes, shape, compression, and how the newest shard was made."""
    num_rows = len(store)  # opens the store, which moves damaged shards out of the way
    paths = [shard.path for shard in store.shards]
    size = sum(path.stat().st_size for path in paths)
    raw = num_rows * int(np.prod(store.row_shape or (0,))) * np.dtype(store.recipe.dtype).itemsize
    newest = max(paths, key=lambda path: path.stat().st_mtime, default=None)
    return {
        "store": store.name,
        "rows": num_rows,
        "shards": len(paths),
        "bytes": size,
        "shape": list(store.row_shape or ()),
        "compression": round(raw / size, 2) if size else None,
        "quarantined": len(list((store.folder / "quarantine").glob("*.h5"))),
        "fingerprint": store.recipe.fingerprint,
        "recipe": store.recipe.as_dict(),
        "provenance": read_provenance(newest) if newest else {},
    }


def seconds_to_make(store: Store, num_rows: int) -> float | None:
    """What so many rows of a store cost when they were computed; None if its shards do not say."""
    known = [read_provenance(shard.path) for shard in store.shards]
    if not known or any("seconds" not in provenance for provenance in known):
        return None
    return sum(float(provenance["seconds"]) for provenance in known) * num_rows / len(store)


def made_from(store: Store) -> set[str]:
    """Names of the stores of earlier layers that rows of this one were made from."""
    return {source for shard in store.shards if (source := read_provenance(shard.path).get("from"))}


def verify(stores: Sequence[Store], *, progress: bool = False) -> tuple[int, list[BadRow]]:
    """Read every byte of every shard; nothing is moved or mended.

    Returns:
        The number of rows that are whole, and what is not.
    """
    shards = [(store, path) for store in stores for path in store.shard_paths()]
    num_ok, bad = 0, []
    for store, path in tqdm(shards, desc="verify", unit="shard", delay=2, disable=not progress):
        try:
            check_bytes(path)
            read_rows(path, store.recipe)
            features = read_features(path, store.recipe)
        except (DamagedStoreError, ForeignEntryError, UnreadableStoreError) as error:
            if is_gone(path):
                continue  # merged or removed meanwhile (`compact`), and not damaged
            is_damage = isinstance(error, DamagedStoreError)
            bad.append(BadRow(f"{store.name}/{path.name}", None, str(error), is_damage))
            continue
        finite = np.isfinite(features).reshape(len(features), -1).all(axis=1)
        bad += [BadRow(f"{store.name}/{path.name}", int(row), "not finite") for row in np.flatnonzero(~finite)]
        num_ok += int(finite.sum())
    return num_ok, bad


def repair(stores: Sequence[Store], *, progress: bool = False) -> tuple[int, list[BadRow]]:
    """Verify, and set every damaged shard aside, so that stage one makes its rows again.

    A shard that could not be read stays where it is.

    Returns:
        What `verify` found: rows that are whole, and what was not.
    """
    num_ok, bad = verify(stores, progress=progress)
    named = {store.name: store for store in stores}
    for entry in sorted({entry.shard for entry in bad if entry.is_damage}):
        store, shard = entry.split("/")
        named[store].quarantine(named[store].folder / "shards" / shard)
    return num_ok, bad


def quarantines(cache: Path) -> list[Path]:
    """Folders of damaged shards that were set aside; one that has to do with a link is named and passed over."""
    found = []
    for folder in _store_folders(cache):
        try:
            check_no_links(folder)
            check_tree(folder / "quarantine")
        except ForeignEntryError as error:
            logger.warning("%s It is passed over.", error)
            continue
        if (folder / "quarantine").is_dir():
            found.append(folder / "quarantine")
    return found


def size_of(folders: Sequence[Path]) -> int:
    """Bytes of all files below these folders."""
    return sum(path.lstat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def delete(paths: Sequence[Path]) -> None:
    """Delete folders of a cache with all that is in them.

    Raises:
        ForeignEntryError: One is a symbolic link or has one in it; nothing is deleted.
    """
    for path in paths:
        check_tree(path)
    for path in paths:
        shutil.rmtree(path)


def export_plain(manifest: Manifest, store: Store, path: Path, *, pooling: str = "none") -> dict[str, int]:
    """Write one HDF5 file that h5py alone can read: groups train, validation, test with features, labels, paths.

    Compressed with gzip, without shuffle; `classes` is an attribute of the file.

    Returns:
        Rows by split.

    Raises:
        MissingRowsError: An image has no row.
    """
    counts = {}
    # Formats before 1.8 hold no more than 64 KiB of class names.
    with replacing(path) as beside, h5py.File(beside, "w", libver=("v108", "v110")) as file:
        file.attrs["classes"] = list(manifest.classes)
        file.attrs["recipe"] = store.recipe.canonical_json()
        for name in SPLITS:
            part = manifest.split(name)
            if len(part):
                _write_split(file.create_group(name), part, manifest.classes, store, pooling)
                counts[name] = len(part)
    return counts


def _write_split(group: h5py.Group, part: Manifest, classes: Sequence[str], store: Store, pooling: str) -> None:
    features = store.read(row_keys(part.digests), pooling=pooling)
    chunks = (min(8, len(features)), *features.shape[1:])
    group.create_dataset("features", data=features, chunks=chunks, compression="gzip", compression_opts=1)
    if None not in part.labels:
        group.create_dataset("labels", data=part.label_ids(classes))
    group.create_dataset("paths", data=list(part.names), dtype=h5py.string_dtype())


def import_store(folder: Path, cache: Path, *, progress: bool = False) -> tuple[Store, int]:
    """Copy the shards of a store from elsewhere, each checked before HDF5 opens it and again by its structure.

    Returns:
        The store here, and the number of shards that were new.

    Raises:
        DamagedStoreError: A shard is damaged or is not what its store may hold; those before it are kept.
        UnreadableStoreError, ForeignEntryError: A shard cannot be read, or is a symbolic link; the same.
    """
    source = Store.open(folder.resolve())
    target = Store(cache, source.recipe)
    shards = target.prepare()
    present = {path.name for path in target.shard_paths()}
    new = list(_foreign_shards(source, present))
    for path in tqdm(new, desc="import", unit="shard", delay=2, disable=not progress):
        check_bytes(path)
        read_rows(path, source.recipe)
        with reading(path) as shard:
            data = shard.readall()
        commit_shard(shards, data)
    return Store(cache, source.recipe), len(new)


def _foreign_shards(source: Store, present: set[str]) -> Iterator[Path]:
    for path in source.shard_paths():
        if path.name not in present:
            yield path
