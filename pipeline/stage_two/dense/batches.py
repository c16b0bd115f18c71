"""Sources of training rows: arrays in memory, stored views of which each epoch draws one, or shards."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.store import Keys, Store
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.rows import Split, StoredRows
from pipeline.tasks.targets import Targets

Positions = NDArray[np.int64]

# Size of a block of rows in memory. Its rows are gathered in the order of the epoch before its steps run.
_BLOCK_BYTES = 64 * 2**20

# The order and the views of an epoch are drawn from separate random streams, so that neither depends on the other.
_ORDER_STREAM, _VIEW_STREAM = 1, 2


class Source(ABC):
    """Inputs of a training (images, or rows of the store) with their labels."""

    y: Targets
    """Of each image, (N,) or (N, K)."""

    weights: NDArray[np.float64] | None
    """How much each image counts, (N,); None: all the same."""

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        """The order of an epoch; the same in all sources with random access at equal speed."""
        return np.random.default_rng([_ORDER_STREAM, seed, epoch]).permutation(len(self.y))

    def reading_order(self) -> NDArray[np.int64]:
        """The order in which all inputs are read fastest."""
        return np.arange(len(self.y))

    @abstractmethod
    def blocks(self, order: NDArray[np.int64], batch_size: int, *, epoch: int) -> Iterator[NDArray[Any]]:
        """The inputs at these positions, in this order, in blocks of whole batches.

        Args:
            order: Positions, (n,).
            batch_size: Only the last block may hold a smaller batch.
            epoch: Counted from 0; -1 for an evaluation.
        """


@dataclass(frozen=True)
class ArraySource(Source):
    """Rows in memory."""

    X: NDArray[np.float32]
    """Features, (N, ...)."""

    y: Targets
    weights: NDArray[np.float64] | None = None

    def blocks(self, order: NDArray[np.int64], batch_size: int, *, epoch: int) -> Iterator[NDArray[np.float32]]:
        for rows in _parts(order, self.X, batch_size):
            yield self.X[rows]


@dataclass(frozen=True)
class ViewSource(Source):
    """Rows in memory. Each epoch sees one random view of each image, out of views 0 to K, or all views."""

    views: Sequence[NDArray[np.float32]]
    """Features of views 0 to K, each (N, ...)."""

    y: Targets
    """(N, ...); or ((K + 1) N, ...), view after view, where an epoch sees all of them."""

    seed: int
    weights: NDArray[np.float64] | None = None

    def blocks(self, order: NDArray[np.int64], batch_size: int, *, epoch: int) -> Iterator[NDArray[np.float32]]:
        view, image = _draw_views(len(self.y), len(self.views), len(self.views[0]), self.seed, epoch)
        for rows in _parts(order, self.views[0], batch_size):
            block = np.empty((len(rows), *self.views[0].shape[1:]), np.float32)
            for number in np.unique(view[rows]):
                here = view[rows] == number
                block[here] = self.views[number][image[rows[here]]]
            yield block


@dataclass(frozen=True)
class BlockSource(Source):
    """Rows in shards. An epoch reads the shards in random order, and shuffles the rows of each block."""

    views: Sequence[StoredRows]
    """Views 0 to K, each of N rows; only view 0 if there are no others."""

    y: Targets
    """(N, ...); or ((K + 1) N, ...), view after view, where an epoch sees all of them."""

    seed: int
    block_rows: int
    """Rows per block. Two blocks are in memory at once: the current one and the next."""

    weights: NDArray[np.float64] | None = None

    def order(self, seed: int, epoch: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([_ORDER_STREAM, seed, epoch])
        shard = self._shards(epoch)
        rank = rng.permutation(shard.max() + 1)[shard]
        by_shard = np.argsort(rank, kind="stable")
        starts = range(0, len(by_shard), self.block_rows)
        return np.concatenate([rng.permutation(by_shard[start : start + self.block_rows]) for start in starts])

    def reading_order(self) -> NDArray[np.int64]:
        return np.argsort(self._shards(-1), kind="stable")

    def blocks(self, order: NDArray[np.int64], batch_size: int, *, epoch: int) -> Iterator[NDArray[np.float32]]:
        keys, stores = self._locate(epoch)
        blocks = [order[start : start + self.block_rows] for start in range(0, len(order), self.block_rows)]
        with ThreadPoolExecutor(1) as reader:
            waiting = reader.submit(self._read, keys[blocks[0]], stores[blocks[0]])
            for following in blocks[1:]:
                rows = waiting.result()
                waiting = reader.submit(self._read, keys[following], stores[following])
                yield rows
            yield waiting.result()

    def _locate(self, epoch: int) -> tuple[Keys, NDArray[np.int64]]:
        """Key of each row of an epoch, and the position in `_stores` of the store that holds it."""
        view, image = _draw_views(len(self.y), len(self.views), len(self.views[0]), self.seed, epoch)
        stores = self._stores
        held_by = np.array([stores.index(rows.store) for rows in self.views])
        return np.stack([rows.keys for rows in self.views])[view, image], held_by[view]

    @property
    def _stores(self) -> list[Store]:
        """The store of view 0, and that of the other views."""
        return list(dict.fromkeys(rows.store for rows in self.views))

    def _shards(self, epoch: int) -> NDArray[np.int64]:
        """Number of the shard that holds each row of an epoch, counted through all stores."""
        keys, held_by = self._locate(epoch)
        shard = np.empty(len(keys), np.int64)
        first = 0
        for number, store in enumerate(self._stores):
            here = held_by == number
            shard[here] = first + store.shard_of(keys[here])
            first += len(store.shard_paths())
        return shard

    def _read(self, keys: Keys, held_by: NDArray[np.int64]) -> NDArray[np.float32]:
        rows = np.empty((len(keys), *self.views[0].shape[1:]), np.float32)
        for number, store in enumerate(self._stores):
            here = held_by == number
            if here.any():
                rows[here] = store.read(keys[here], pooling=self.views[0].pooling)
        return rows


def training_source(train: Split, training: Training) -> Source:
    """Rows of the training split; with views, one random view of each image per epoch, or all views."""
    X, views = train.X, train.views
    is_all = training.view_mode == "all"
    y, weights = (train.all_targets, train.all_weights) if is_all else (train.y, train.weights)
    if isinstance(X, StoredRows):
        stored = [X, *(rows for rows in views if isinstance(rows, StoredRows))]
        # Whole batches, so that only the last batch of an epoch is smaller.
        block_rows = max(1, X.block_rows // training.batch_size) * training.batch_size
        return BlockSource(stored, y, training.seed, block_rows, weights)
    if views:
        return ViewSource([X, *map(np.asarray, views)], y, training.seed, weights)
    return ArraySource(X, y, weights)


def validation_source(validation: Split) -> Source:
    """Rows of the validation split, without views."""
    X = validation.X
    return (
        BlockSource([X], validation.y, 0, X.block_rows) if isinstance(X, StoredRows) else ArraySource(X, validation.y)
    )


def _parts(order: Positions, X: NDArray[np.float32], batch_size: int) -> Iterator[Positions]:
    """The order, divided into parts of whole batches."""
    row_bytes = max(1, X.nbytes // max(1, len(X)))
    size = max(1, _BLOCK_BYTES // row_bytes // batch_size) * batch_size
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _draw_views(num_rows: int, num_views: int, num_images: int, seed: int, epoch: int) -> tuple[Positions, Positions]:
    """View and image of each row of an epoch: one random view of each image, or all views, one after the other."""
    if num_rows > num_images:
        view, image = np.divmod(np.arange(num_rows), num_images)
        return view, image
    drawn = np.random.default_rng([_VIEW_STREAM, seed, epoch + 1]).integers(0, num_views, num_images)
    return drawn, np.arange(num_images)
