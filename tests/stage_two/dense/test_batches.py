"""Sources of training rows, in memory and in shards."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.bases.table import Preprocessing
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.errors import MissingRowsError
from pipeline.images.augment import AUGMENTATIONS
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Files, Manifest
from pipeline.stage_one.views import Views
from pipeline.stage_two.dense.batches import training_source, validation_source
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.rows import StoredRows, load_rows

COUNT, SHARD = 40, 8
PLAIN = Recipe("squeezenet", Decoder(48), Preprocessing("native"), "0" * 64, "fire9_concat")
AUGMENTED = Views(1, AUGMENTATIONS["r0"]).recipe(PLAIN)
ROW_BYTES = 2 * 2 * 3 * 4
FOUR_BLOCKS_OF_8 = 4 * 8 * ROW_BYTES


def make_manifest():
    return Manifest(
        images=Files(Path(), ()),
        positions=tuple(range(COUNT)),
        names=tuple(map(str, range(COUNT))),
        digests=tuple(bytes([number + 1]) * 32 for number in range(COUNT)),
        labels=tuple("ab"[number % 2] for number in range(COUNT)),
        splits=("train",) * 32 + ("validation",) * 8,
    )


@pytest.fixture
def stores(tmp_path):
    """View v of image i is a row that is 1000 v + i everywhere, in shards of eight."""
    plain, augmented = Store(tmp_path, PLAIN), Store(tmp_path, AUGMENTED)
    digests = make_manifest().digests
    for view, store in ((0, plain), (1, augmented), (2, augmented)):
        for start in range(0, COUNT, SHARD):
            values = 1000 * view + np.arange(start, start + SHARD, dtype=np.float32)
            rows = np.broadcast_to(values[:, None, None, None], (SHARD, 2, 2, 3))
            store.append(row_keys(digests[start : start + SHARD], view), rows, {})
    return plain, augmented


def load(stores, num_views=0, memory_bytes=FOUR_BLOCKS_OF_8):
    views = Views(num_views, AUGMENTATIONS["r0"]) if num_views else None
    return load_rows(make_manifest(), stores[0], views, memory_bytes=memory_bytes)


def epoch_of(source, epoch, batch_size=4):
    """Order of an epoch, and the first value of each row."""
    order = source.order(0, epoch)
    blocks = list(source.blocks(order, batch_size, epoch=epoch))
    assert all(len(block) % batch_size == 0 for block in blocks)
    return order, np.concatenate(blocks)[:, 0, 0, 0]


def test_rows_stay_on_disk_only_when_they_take_too_much(stores):
    """40 rows of 48 bytes: at the limit they are read, below it they are not."""
    assert isinstance(load(stores, memory_bytes=COUNT * ROW_BYTES).train.X, np.ndarray)
    stored = load(stores, memory_bytes=COUNT * ROW_BYTES - 1).train.X

    assert isinstance(stored, StoredRows)
    assert stored.shape == (32, 2, 2, 3)
    assert np.array_equal(np.asarray(stored), load(stores, memory_bytes=1e9).train.X)
    blocks = list(load(stores).train.X.blocks())
    positions = np.concatenate([position for position, _ in blocks])
    assert sorted(positions) == list(range(32))
    assert np.array_equal(np.concatenate([rows for _, rows in blocks]), np.asarray(stored)[positions])
    assert [len(set(position // SHARD)) for position, _ in blocks] == [1, 1, 1, 1], "shard after shard"


def test_views_count_toward_the_memory(stores):
    """32 training images with two views and 8 validation images are 104 rows."""
    assert isinstance(load(stores, 2, memory_bytes=104 * ROW_BYTES).train.X, np.ndarray)
    assert isinstance(load(stores, 2, memory_bytes=104 * ROW_BYTES - 1).train.X, StoredRows)


def test_an_epoch_sees_each_row_once_in_an_order_of_its_own(stores):
    """The order differs between epochs and seeds, is repeatable, and the rows follow it."""
    source = training_source(load(stores).train, Training(batch_size=4))
    (first, rows), (second, _) = epoch_of(source, 0), epoch_of(source, 1)

    assert np.array_equal(np.sort(first), np.arange(32))
    assert np.array_equal(rows, first)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, source.order(0, 0))
    assert not np.array_equal(first, source.order(1, 0))


def test_a_block_takes_its_rows_from_few_shards(stores):
    """With eight rows per block and per shard, each block is one shuffled shard; the order of the shards differs between epochs."""
    source = training_source(load(stores).train, Training(batch_size=4))
    blocks = [source.order(0, epoch).reshape(4, 8) for epoch in range(6)]

    assert all(len(set(block // SHARD)) == 1 for order in blocks for block in order)
    assert len({tuple(order[:, 0] // SHARD) for order in blocks}) > 1
    assert any(not np.array_equal(block, np.sort(block)) for order in blocks for block in order)


def test_views_on_disk_are_drawn_as_views_in_memory_are(stores):
    """The view of an image in an epoch depends on seed and epoch, not on whether the rows are in memory."""
    training = Training(batch_size=4, seed=3)
    on_disk, in_memory = (training_source(load(stores, 2, size).train, training) for size in (FOUR_BLOCKS_OF_8, 1e9))
    for epoch in (0, 1):
        order, rows = epoch_of(on_disk, epoch)
        expected = next(in_memory.blocks(order, 32, epoch=epoch))[:, 0, 0, 0]
        assert np.array_equal(rows, expected)
        assert set(rows // 1000) == {0, 1, 2}


def test_an_epoch_of_all_views_sees_each_of_them_once(stores):
    """An epoch has 96 rows, with the labels of their images."""
    source = training_source(load(stores, 2).train, Training(batch_size=4, view_mode="all"))
    order, rows = epoch_of(source, 0)

    assert sorted(rows) == sorted(1000 * view + image for view in range(3) for image in range(32))
    assert np.array_equal(source.y[order], rows % 1000 % 2)


def test_rows_in_memory_come_in_blocks_of_whole_batches(stores, monkeypatch):
    """Small blocks contain the same rows as one large block, also with views."""
    training = Training(batch_size=4)
    for num_views in (0, 2):
        source = training_source(load(stores, num_views, 1e9).train, training)
        _, whole = epoch_of(source, 1)
        with monkeypatch.context() as patch:
            patch.setattr("pipeline.stage_two.dense.batches._BLOCK_BYTES", 9 * ROW_BYTES)
            parts = list(source.blocks(source.order(0, 1), 4, epoch=1))
        assert [len(part) for part in parts] == [8, 8, 8, 8]
        assert np.array_equal(np.concatenate(parts)[:, 0, 0, 0], whole)


def test_validation_rows_come_in_their_order(stores):
    """An evaluation reads them in the order of the split."""
    source = validation_source(load(stores).validation)
    rows = np.concatenate(list(source.blocks(np.arange(8), 3, epoch=-1)))

    assert rows[:, 0, 0, 0].tolist() == list(range(32, 40))


def test_missing_row_is_an_error_before_training(stores):
    """A missing row raises an error when the task is read."""
    with pytest.raises(
        MissingRowsError, match=r"32 of 96 views are not stored\. .* features DATA --base .* --views 3 --augment"
    ):
        load(stores, num_views=3)
