"""Where a worker puts its shards: into the store's folder, which it need not read, or into its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.recipe import Recipe
from pipeline.cache.shard import commit_shard
from pipeline.cache.store import Keys, pack_rows
from pipeline.errors import ClusterError


@dataclass(frozen=True)
class FolderOutbox:
    """Commits shards below a store's folder, as the store itself does."""

    recipe: Recipe
    folder: Path
    """The store's folder, as every worker sees it."""

    names: list[str] = field(default_factory=list)
    """Of the shards that were committed."""

    def __post_init__(self) -> None:
        # Made by whoever cut the tasks: where it is missing, this machine looks at another disk.
        if not (self.folder / "recipe.json").is_file():
            raise ClusterError(
                f"A worker has no {self.folder}: use --gather where machines do not share the cache folder."
            )

    def append(self, keys: Keys, features: NDArray[np.floating], provenance: Mapping[str, str]) -> None:
        """Commit rows as one shard; when this returns they survive a crash."""
        data = pack_rows(self.recipe, keys, features, provenance)
        self.names.append(commit_shard(self.folder / "shards", data).name)


@dataclass(frozen=True)
class BytesOutbox:
    """Keeps the bytes of shards, for another process to commit."""

    recipe: Recipe
    shards: list[bytes] = field(default_factory=list)

    def append(self, keys: Keys, features: NDArray[np.floating], provenance: Mapping[str, str]) -> None:
        """Build a shard."""
        self.shards.append(pack_rows(self.recipe, keys, features, provenance))
