"""Where a worker puts its shards: into the store's folder, or into the result that it sends back."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.own import check_store_folder, is_gone, list_folder
from pipeline.cache.recipe import Recipe
from pipeline.cache.shard import check_bytes, commit_shard, read_rows
from pipeline.cache.store import Keys, pack_rows
from pipeline.errors import ClusterError, DamagedStoreError, UnreadableStoreError


class _LateError(Exception):
    """Another worker has committed rows of this shard meanwhile."""


@dataclass(frozen=True)
class FolderOutbox:
    """Commits shards to a store's folder, as the store itself does."""

    recipe: Recipe
    folder: Path
    """The store's folder; the same path on every worker."""

    known: frozenset[str] = frozenset()
    """Names of the shards that existed when the tasks were cut."""

    names: list[str] = field(default_factory=list)
    """Names of the shards that were committed."""

    def __post_init__(self) -> None:
        check_store_folder(self.folder)
        # The process that cut the tasks has made the file. If it is missing, this machine sees another disk.
        if not (self.folder / "recipe.json").is_file():
            raise ClusterError(
                f"A worker has no {self.folder}. Use --gather if the machines do not share the cache folder."
            )

    def has(self, keys: Keys) -> NDArray[np.bool_]:
        """Which of these rows a worker has committed since the tasks were cut, shape (N,).

        A cluster repeats a task whose worker died after a commit and before it could report it.

        Raises:
            UnreadableStoreError: A shard cannot be read, so it is not known what it holds.
        """
        present = np.zeros(len(keys), np.bool_)
        for path in list_folder(self.folder / "shards", ".h5"):
            if path.name not in self.known:
                present |= _has(path, self.recipe, keys)
        return present

    def append(self, keys: Keys, features: NDArray[np.floating], provenance: Mapping[str, str]) -> None:
        """Commit rows as one shard; when this returns, they survive a crash.

        Rows that another worker has committed are left out. A task can be late: its job has failed or has given it to another worker
        while this one was stopped. So the last look is at the end, when the shard is on the disk and has no name yet.
        """
        while (missing := ~self.has(keys)).any():
            data = pack_rows(self.recipe, keys[missing], features[missing], provenance)
            with contextlib.suppress(_LateError):
                check = partial(self._check_missing, keys[missing])
                self.names.append(commit_shard(self.folder / "shards", data, check=check).name)
                break

    def _check_missing(self, keys: Keys) -> None:
        if self.has(keys).any():
            raise _LateError


@dataclass(frozen=True)
class BytesOutbox:
    """Keeps the bytes of shards, for another process to commit."""

    recipe: Recipe
    shards: list[bytes] = field(default_factory=list)

    def has(self, keys: Keys) -> NDArray[np.bool_]:
        """None of them: other workers send their shards to the process that cut the tasks."""
        return np.zeros(len(keys), np.bool_)

    def append(self, keys: Keys, features: NDArray[np.floating], provenance: Mapping[str, str]) -> None:
        """Build a shard."""
        self.shards.append(pack_rows(self.recipe, keys, features, provenance))


def _has(path: Path, recipe: Recipe, keys: Keys) -> NDArray[np.bool_]:
    """Which of these rows a shard holds. Its bytes are checked only if it holds any."""
    try:
        found: NDArray[np.bool_] = np.isin(keys, _keys_of(path, recipe))
        if found.any():
            check_bytes(path)
    except (DamagedStoreError, UnreadableStoreError) as error:
        if isinstance(error, UnreadableStoreError) and not is_gone(path):
            raise
        return np.zeros(len(keys), np.bool_)
    return found


@lru_cache(maxsize=2**14)  # 34 kB each
def _keys_of(path: Path, recipe: Recipe) -> Keys:
    """The keys of a shard. A shard never changes, so a worker reads them once."""
    return read_rows(path, recipe).keys
