"""Looking after stores: verify, repair, and delete what is not needed."""

import contextlib
import logging
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.cache.own import check_only_own, check_tree, is_gone, list_folder
from pipeline.cache.recipe import Recipe, write_recipe
from pipeline.cache.shard import check_shard, read_shard_recipe
from pipeline.cache.store import Store
from pipeline.cache.stores import StoreError, find_folder, open_stores, store_folders
from pipeline.errors import DamagedStoreError, ForeignEntryError, UnreadableStoreError
from pipeline.files import naming_errors
from pipeline.progress import progress_bar

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BadRow:
    """Something wrong in a store; `row` is None if it concerns the whole shard or the whole store."""

    shard: str
    """`store/shard`, or the store."""

    row: int | None
    reason: str

    is_damage: bool = True
    """True: the bytes are wrong. False: they could not be read or lie behind a link, so nothing is known about them."""


@dataclass(frozen=True)
class Verification:
    """Which rows of some stores are whole."""

    num_ok: int
    """Rows that are whole."""

    bad: tuple[BadRow, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**_counts(self), "bad": [asdict(entry) for entry in self.bad]}


@dataclass(frozen=True)
class Repair:
    """What a verification found, and which shards were set aside."""

    found: Verification

    mended: tuple[str, ...] = ()
    """Stores whose recipe.json was written again."""

    @property
    def set_aside(self) -> list[str]:
        """Damaged shards, which are in quarantine now: `store/shard`, sorted."""
        return sorted({entry.shard for entry in self.found.bad if entry.is_damage and "/" in entry.shard})

    @property
    def left(self) -> list[BadRow]:
        """What could not be read, and stores that could not be mended; they stay where they are."""
        return [entry for entry in self.found.bad if not entry.is_damage or "/" not in entry.shard]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        left = [{"shard": entry.shard, "reason": entry.reason} for entry in self.left]
        return {**_counts(self.found), "set_aside": self.set_aside, "mended": list(self.mended), "left": left}


def _counts(found: Verification) -> dict[str, int]:
    return {"rows": found.num_ok + len(found.bad), "ok": found.num_ok}


def verify_cache(cache: Path, *, progress: bool = False) -> Verification:
    """Verify all stores of a cache folder; stores that are refused count as bad.

    Raises:
        UnreadableStoreError: The cache folder itself cannot be read.
    """
    stores, refused = open_stores(cache)
    return _with_refused(verify(stores, progress=progress), refused)


def verify(stores: Sequence[Store], *, progress: bool = False) -> Verification:
    """Read every byte of every shard; nothing is moved or repaired."""
    shards = [(store, path) for store in stores for path in store.shard_paths()]
    num_ok, bad = 0, list[BadRow]()
    for store, path in progress_bar(shards, desc="verify", unit="shard", progress=progress):
        num_good, found = _verify_shard(store, path)
        num_ok += num_good
        bad += found
    return Verification(num_ok, tuple(bad))


def _verify_shard(store: Store, path: Path) -> tuple[int, list[BadRow]]:
    name = f"{store.name}/{path.name}"
    try:
        _, finite = check_shard(path, store.recipe)
    except (DamagedStoreError, ForeignEntryError, UnreadableStoreError) as error:
        if is_gone(path):
            return 0, []  # merged or removed meanwhile (`compact`), not damaged
        return 0, [BadRow(name, None, str(error), isinstance(error, DamagedStoreError))]
    return int(finite.sum()), [BadRow(name, int(row), "not finite") for row in np.flatnonzero(~finite)]


def repair_cache(cache: Path, *, progress: bool = False) -> Repair:
    """Repair all stores of a cache folder: damaged shards are set aside, and a damaged recipe.json is written again from a shard.

    Raises:
        UnreadableStoreError: The cache folder itself cannot be read.
        OSError: The cache cannot be written.
    """
    mended = tuple(folder.name for folder in store_folders(cache) if _mend(folder))
    stores, refused = open_stores(cache)
    return Repair(_with_refused(repair(stores, progress=progress).found, refused), mended)


def _mend(folder: Path) -> bool:
    """Write a damaged recipe.json again if a shard of the folder has the recipe of the folder's name."""
    try:
        Store.open(folder)
    except DamagedStoreError:
        recipe = next(_recipes_in(folder), None)
    except (ForeignEntryError, UnreadableStoreError):
        return False
    else:
        return False
    if recipe is not None:
        write_recipe(recipe, folder)
    return recipe is not None


def _recipes_in(folder: Path) -> Iterator[Recipe]:
    for path in list_folder(folder / "shards", ".h5"):
        with contextlib.suppress(DamagedStoreError, ForeignEntryError, UnreadableStoreError):
            recipe = read_shard_recipe(path)
            if recipe.folder_name == folder.name:
                yield recipe


def repair(stores: Sequence[Store], *, progress: bool = False) -> Repair:
    """Verify, and set every damaged shard aside, so that stage one computes its rows again.

    A shard that could not be read stays where it is.
    """
    done = Repair(verify(stores, progress=progress))
    named = {store.name: store for store in stores}
    for entry in done.set_aside:
        store, shard = entry.split("/")
        named[store].quarantine(named[store].folder / "shards" / shard)
    return done


def _with_refused(found: Verification, refused: dict[str, StoreError]) -> Verification:
    entries = tuple(
        BadRow(name, None, str(error), isinstance(error, DamagedStoreError)) for name, error in refused.items()
    )
    return Verification(found.num_ok, entries + found.bad)


@dataclass(frozen=True)
class Pruning:
    """Folders of a cache that were deleted, or would be."""

    folders: tuple[Path, ...]
    num_bytes: int
    is_done: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"paths": [str(path) for path in self.folders], "bytes": self.num_bytes, "deleted": self.is_done}


def prune(cache: Path, names: Sequence[str] = (), *, is_dry: bool = True) -> Pruning:
    """Delete stores, and the damaged shards that all others have set aside.

    Args:
        cache: The cache folder.
        names: Of the stores; see `find_store`.
        is_dry: Delete nothing, only find out what would be deleted.

    Raises:
        DataNotFoundError: A name fits no store, or several.
        ForeignEntryError: A folder is a symbolic link or holds one, or something that no store has; nothing is deleted.
    """
    folders = [find_folder(name, cache) for name in names]
    for folder in folders:
        check_only_own(folder)
    folders += [path for path in quarantines(cache) if path.parent not in folders]
    done = Pruning(tuple(folders), size_of(folders), not is_dry)
    if not is_dry:
        delete(folders)
    return done


def quarantines(cache: Path) -> list[Path]:
    """Folders of damaged shards that were set aside, in stores; one that holds anything else is skipped with a warning."""
    return list(_quarantines(cache))


def _quarantines(cache: Path) -> Iterator[Path]:
    for folder in store_folders(cache):
        if is_gone(folder / "quarantine"):
            continue
        try:
            Store.open(folder)
            check_only_own(folder, ("quarantine",))
        except (DamagedStoreError, ForeignEntryError, UnreadableStoreError) as error:
            logger.warning("%s It is skipped.", error)
            continue
        yield folder / "quarantine"


def size_of(folders: Sequence[Path]) -> int:
    """Bytes of all files below these folders."""
    return sum(path.lstat().st_size for folder in folders for path in folder.rglob("*") if not path.is_dir())


def delete(paths: Sequence[Path]) -> None:
    """Delete folders of a cache with everything in them.

    Raises:
        ForeignEntryError: One is a symbolic link or holds one; nothing is deleted.
    """
    for path in paths:
        check_tree(path)
    for path in paths:
        with naming_errors(path):
            shutil.rmtree(path)
