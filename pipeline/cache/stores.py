"""The stores of a cache folder: which there are, what each holds, and what its rows cost."""

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cache.own import is_gone, list_folder
from pipeline.cache.recipe import Recipe
from pipeline.cache.shard import read_provenance, read_rows
from pipeline.cache.store import Store
from pipeline.errors import DamagedStoreError, DataNotFoundError, ForeignEntryError, UnreadableStoreError
from pipeline.html import show_facts, show_table

logger = logging.getLogger(__name__)

StoreError = DamagedStoreError | ForeignEntryError | UnreadableStoreError
"""Why a store is refused."""

_NAME = re.compile(r"-[0-9a-f]{12}$")


def list_stores(cache: Path) -> list[Store]:
    """All stores below a cache folder, by name; one that cannot be opened is skipped with a warning.

    Raises:
        UnreadableStoreError: The cache folder itself cannot be read.
    """
    return open_stores(cache)[0]


def open_stores(cache: Path) -> tuple[list[Store], dict[str, StoreError]]:
    """All stores below a cache folder, by name, and the errors of those that are refused, by name.

    A store is refused if its recipe is damaged, if it cannot be read, or if it is reached through a link.

    Raises:
        UnreadableStoreError: The cache folder itself cannot be read.
    """
    stores, refused = [], dict[str, StoreError]()
    for folder in store_folders(cache):
        try:
            stores.append(Store.open(folder))
        except (DamagedStoreError, ForeignEntryError, UnreadableStoreError) as error:
            logger.warning("%s The store is skipped.", error)
            refused[folder.name] = error
    return stores, refused


def store_folders(cache: Path) -> list[Path]:
    """The folders below a cache folder that have a recipe.json, or a store's name and shards, by name."""
    return [
        path
        for path in list_folder(cache)
        if not is_gone(path / "recipe.json") or (_NAME.search(path.name) and not is_gone(path / "shards"))
    ]


def find_store(name: str, cache: Path) -> Store:
    """The one store whose folder name starts or ends with `name`.

    Raises:
        DataNotFoundError: None or several do.
        DamagedStoreError, ForeignEntryError, UnreadableStoreError: It cannot be opened.
    """
    return Store.open(find_folder(name, cache))


def find_folder(name: str, cache: Path) -> Path:
    """The folder of the one store whose name starts or ends with `name`, also of one that cannot be opened.

    It may also be the path of a store of this cache, as commands print it.

    Raises:
        DataNotFoundError: None or several do.
    """
    folders = store_folders(cache)
    if Path(name).parent.resolve() == cache.resolve():
        name = Path(name).name
    matches = [path for path in folders if path.name.startswith(name) or path.name.endswith(name)]
    exact = [path for path in matches if path.name == name]
    if len(exact or matches) != 1:
        raise DataNotFoundError(
            f"{name!r} names {len(matches)} stores below {cache}. Expected one of: {', '.join(p.name for p in folders)}."
        )
    return (exact or matches)[0]


@dataclass(frozen=True)
class StoreSummary:
    """What a store holds, and how its newest shard was made."""

    store: str
    """Name of the store."""

    num_rows: int
    num_shards: int
    num_bytes: int
    row_shape: tuple[int, ...]
    """Shape of a row: (h, w, C) or (C,); () in an empty store."""

    compression: float | None
    """Size of the rows in memory divided by the size of the shards; None in an empty store."""

    num_quarantined: int
    """Damaged shards that were set aside."""

    recipe: Recipe
    provenance: Mapping[str, str]
    """Engine, device and versions of the newest shard."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "store": self.store,
            "rows": self.num_rows,
            "shards": self.num_shards,
            "bytes": self.num_bytes,
            "shape": list(self.row_shape),
            "compression": self.compression,
            "quarantined": self.num_quarantined,
            "fingerprint": self.recipe.fingerprint,
            "recipe": self.recipe.as_dict(),
            "provenance": dict(self.provenance),
        }

    def as_row(self) -> dict[str, Any]:
        """What a table of stores shows."""
        shown = ("store", "rows", "shards", "bytes", "shape", "compression", "quarantined")
        values = self.as_dict() | {"shape": " x ".join(map(str, self.row_shape))}
        return {name: values[name] for name in shown}

    def _repr_html_(self) -> str:
        """The row of a table, and the recipe."""
        return show_table([self.as_row()]) + show_facts({**self.recipe.as_dict(), **self.provenance})


def summarize_all(cache: Path) -> list[StoreSummary]:
    """The summary of each store; one that cannot be read is skipped with a warning."""
    summaries = []
    for store in list_stores(cache):
        try:
            summaries.append(summarize(store))
        except (DamagedStoreError, OSError) as error:
            logger.warning("%s The store is skipped.", error)
    return summaries


def summarize(store: Store) -> StoreSummary:
    """Rows, shards, bytes, shape, compression, and how the newest shard was made."""
    num_rows = len(store)  # opens the store, which sets damaged shards aside
    paths = [shard.path for shard in store.shards]
    size = sum(path.stat().st_size for path in paths)
    raw = num_rows * int(np.prod(store.row_shape or (0,))) * np.dtype(store.recipe.dtype).itemsize
    newest = max(paths, key=lambda path: path.stat().st_mtime, default=None)
    return StoreSummary(
        store=store.name,
        num_rows=num_rows,
        num_shards=len(paths),
        num_bytes=size,
        row_shape=store.row_shape or (),
        compression=round(raw / size, 2) if size else None,
        num_quarantined=len(list((store.folder / "quarantine").glob("*.h5"))),
        recipe=store.recipe,
        provenance=read_provenance(newest) if newest else {},
    )


def seconds_to_make(store: Store, num_rows: int) -> float | None:
    """Seconds that so many rows of a store took to compute; None if its shards do not record it."""
    known = [read_provenance(shard.path) for shard in store.shards]
    if not known or any("seconds" not in provenance for provenance in known):
        return None
    return sum(float(provenance["seconds"]) for provenance in known) * num_rows / len(store)


def made_from(store: Store) -> set[str]:
    """Names of the stores of earlier layers that rows of this one were derived from."""
    return {source for shard in store.shards if (source := read_provenance(shard.path).get("from"))}


def count_images(store: Store, digests: Collection[bytes]) -> int:
    """How many of these images, given by their SHA-256, have a row of view 0 in a store.

    Only keys are read, and no byte is checked: an answer for choosing a store, not for using it.
    """
    found: set[bytes] = set()
    for path in store.shard_paths():
        try:
            rows = read_rows(path, store.recipe)
        except (DamagedStoreError, ForeignEntryError, UnreadableStoreError):
            continue  # named by whoever opens the store
        found.update(row.tobytes() for row, view in zip(rows.digests, rows.views, strict=True) if view == 0)
    return len(found.intersection(digests))
