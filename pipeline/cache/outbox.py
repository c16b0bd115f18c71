"""Where a worker puts its shards: into the store's folder, which it need not read, or into its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.own import check_store_folder, is_gone, list_folder
from pipeline.cache.recipe import Recipe
from pipeline.cache.shard import check_bytes, commit_shard, read_rows
from pipeline.cache.store import Keys, pack_rows, shard_keys
from pipeline.errors import ClusterError, DamagedStoreError, UnreadableStoreError


@dataclass(frozen=True)
class FolderOutbox:
    """Commits shards below a store's folder, as the store itself does."""

    recipe: Recipe
    folder: Path
    """The store's folder, as every worker sees it."""

    known: frozenset[str] = frozenset()
    """Names of the shards that were there when the tasks were cut."""

    names: list[str] = field(default_factory=list)
    """Of the shards that were committed."""

    def __post_init__(self) -> None:
        check_store_folder(self.folder)
        # Made by whoever cut the tasks: where it is missing, this machine looks at another disk.
        if not (self.folder / "recipe.json").is_file():
            raise ClusterError(
                f"A worker has no {self.folder}: use --gather where machines do not share the cache folder."
            )

    def has(self, keys: Keys) -> NDArray[np.bool_]:
        """Which of these rows another worker has committed since, shape (N,).

        A cluster does a task again whose worker died after it had committed, and before it could say so.

        Raises:
            UnreadableStoreError: The machine does not give a shard, so nobody knows what it holds.
        """
        there = np.zeros(len(keys), np.bool_)
        for path in list_folder(self.folder / "shards", ".h5"):
            if path.name not in self.known:
                there |= _has(path, self.recipe, keys)
        return there

    def append(self, keys: Keys, features: NDArray[np.floating], provenance: Mapping[str, str]) -> None:
        """Commit rows as one shard; when this returns they survive a crash."""
        data = pack_rows(self.recipe, keys, features, provenance)
        self.names.append(commit_shard(self.folder / "shards", data).name)


@dataclass(frozen=True)
class BytesOutbox:
    """Keeps the bytes of shards, for another process to commit."""

    recipe: Recipe
    shards: list[bytes] = field(default_factory=list)

    def has(self, keys: Keys) -> NDArray[np.bool_]:
        """None: what another worker has made it has sent, or it is lost."""
        return np.zeros(len(keys), np.bool_)

    def append(self, keys: Keys, features: NDArray[np.floating], provenance: Mapping[str, str]) -> None:
        """Build a shard."""
        self.shards.append(pack_rows(self.recipe, keys, features, provenance))


def _has(path: Path, recipe: Recipe, keys: Keys) -> NDArray[np.bool_]:
    """Which of these rows a shard holds, and holds whole: bytes are checked only where it matters."""
    try:
        found: NDArray[np.bool_] = np.isin(keys, _keys_of(path, recipe))
        if found.any():
            check_bytes(path)
    except (DamagedStoreError, UnreadableStoreError) as error:
        if isinstance(error, UnreadableStoreError) and not is_gone(path):
            raise
        return np.zeros(len(keys), np.bool_)
    return found


@lru_cache(maxsize=2**14)  # of 34 kB each
def _keys_of(path: Path, recipe: Recipe) -> Keys:
    """A shard never changes, so its keys are read once in a worker."""
    return shard_keys(read_rows(path, recipe))
