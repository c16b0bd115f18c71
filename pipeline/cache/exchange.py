"""Rows that leave the cache as one plain file, and stores that come from elsewhere."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from pipeline.cache.own import reading
from pipeline.cache.recipe import Recipe
from pipeline.cache.shard import ShardRows, check_shard, commit_shard, shard_name
from pipeline.cache.sink import writing
from pipeline.cache.store import Store, row_keys
from pipeline.cache.trunk_note import add_note, read_note
from pipeline.errors import DamagedStoreError, SettingError
from pipeline.files import replacing
from pipeline.images.manifest import SPLITS, Manifest
from pipeline.progress import progress_bar
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class CacheExport:
    """One plain HDF5 file."""

    file: Path
    rows: dict[str, int]
    """Number of rows by split."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"file": str(self.file), "rows": self.rows}


def check_replaceable(path: Path) -> None:
    """Check that a path is free for an export, or has an earlier one.

    Raises:
        SettingError: Something else is there.
    """
    if os.path.lexists(path) and not _is_export(path):
        raise SettingError(
            f"{path} exists and is no export of rows, so it is not replaced. Choose another FILE, or move it away."
        )


def _is_export(path: Path) -> bool:
    try:
        if not path.is_file():  # to open a pipe would wait
            return False
        with h5py.File(path) as file:
            return {"classes", "recipe"} <= file.attrs.keys() and set(file) <= set(SPLITS)
    except OSError:
        return False


def export_plain(manifest: Manifest, store: Store, path: Path, *, pooling: str = "none") -> dict[str, int]:
    """Write one HDF5 file that needs no plugin: groups train, validation and test with features, labels and paths.

    Features are compressed with gzip, without shuffle; `classes` is an attribute of the file.

    Args:
        manifest: The images; all have a row.
        store: Their rows.
        path: The file, which `check_replaceable` has checked.
        pooling: `none`, or `avg` or `max` over the grid.

    Returns:
        Number of rows by split.

    Raises:
        MissingRowsError: An image has no row.
    """
    counts = {}
    # HDF5 formats before 1.8 hold at most 64 KiB of class names.
    with (
        replacing(path) as beside,
        writing(beside) as sink,
        h5py.File(sink, "w", libver=("v108", "v110")) as file,
    ):
        file.attrs["classes"] = list(manifest.classes)
        file.attrs["recipe"] = store.recipe.canonical_json()
        for name in SPLITS:
            part = manifest.split(name)
            if len(part):
                _write_split(file.create_group(name), part, manifest.task, store, pooling)
                counts[name] = len(part)
                sink.check()
    return counts


def _write_split(group: h5py.Group, part: Manifest, task: Task, store: Store, pooling: str) -> None:
    features = store.read(row_keys(part.digests), pooling=pooling)
    chunks = (min(8, len(features)), *features.shape[1:])
    group.create_dataset("features", data=features, chunks=chunks, compression="gzip", compression_opts=1)
    if None not in part.labels:
        group.create_dataset("labels", data=task.encode([str(label) for label in part.labels]))
    group.create_dataset("paths", data=list(part.names), dtype=h5py.string_dtype())


@dataclass(frozen=True)
class Import:
    """A store that was copied into the cache."""

    store: Store
    """The store in this cache."""

    num_new_shards: int

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"store": str(self.store.folder), "rows": len(self.store), "new_shards": self.num_new_shards}


def import_store(folder: Path, cache: Path, *, progress: bool = False) -> Import:
    """Copy the shards of a store from elsewhere, after the checks of `verify`. Their bytes are checked before HDF5 opens them.

    Raises:
        DamagedStoreError: A shard or `trunk.json` is damaged, or the store may not hold a shard; shards copied before it are kept.
        UnreadableStoreError, ForeignEntryError: A shard cannot be read, or is a symbolic link; shards copied before it are kept.
    """
    source = Store.open(folder.resolve())
    target = Store(cache, source.recipe)
    shards = target.prepare()
    present = {path.name for path in target.shard_paths()}
    new = [path for path in source.shard_paths() if path.name not in present]
    shape = target.row_shape
    for path in progress_bar(new, desc="import", unit="shard", progress=progress):
        data, rows = checked_shard(path, source.recipe, shape)
        shape = rows.row_shape
        commit_shard(shards, data)
    if note := read_note(source.folder):
        add_note(note, target.folder)
    return Import(Store(cache, source.recipe), len(new))


def checked_shard(path: Path, recipe: Recipe, shape: tuple[int, ...] | None) -> tuple[bytes, ShardRows]:
    """The bytes of a shard in which nothing is wrong, and its keys.

    Args:
        path: The shard.
        recipe: Of its store.
        shape: Of a row of that store; None: not known.

    Raises:
        DamagedStoreError: Something is wrong; see `check_shard`. Or its rows are not finite, or of another shape.
        UnreadableStoreError, ForeignEntryError: It cannot be read; see `reading`.
    """
    rows, finite = check_shard(path, recipe)
    if not finite.all():
        raise DamagedStoreError(f"{path} is damaged: {int((~finite).sum())} of its {len(rows)} rows are not finite.")
    if shape not in (None, rows.row_shape):
        raise DamagedStoreError(
            f"{path} has rows of shape {rows.row_shape}; those of {recipe.folder_name} have {shape}."
        )
    with reading(path) as shard:
        data = shard.readall()
    if shard_name(data) != path.name:
        raise DamagedStoreError(f"{path} changed while it was read. Run the command again.")
    return data, rows
