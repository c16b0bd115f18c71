"""Stores that cannot be written."""

import gc

import numpy as np

from pipeline.cache.store import Store
from pipeline.stage_one.unwritable import writable
from tests.cache.samples import RECIPE, fill, make_keys, make_rows
from tests.locked import read_only


def test_store_that_can_be_written_is_used(tmp_path):
    """Trying leaves no file behind."""
    store = Store(tmp_path, RECIPE)

    assert writable(store) is store
    assert list((store.folder / "shards").iterdir()) == []


def test_rows_of_a_locked_store_and_new_ones_are_read_together(tmp_path, caplog):
    """New rows go into a temporary folder, with one warning; the folder is gone with the store."""
    cache = tmp_path / "cache"
    fill(Store(cache, RECIPE), [0, 1])
    with read_only(cache):
        store = writable(Store(cache, RECIPE))
        fill(store, [2])
        store.refresh()
        read = store.read(make_keys([2, 0, 1]))
        folder = store.folder.parent

        assert np.array_equal(read, make_rows([2, 0, 1]))
        assert folder.is_dir()
        del store
        gc.collect()
        assert not folder.exists()

    assert len(Store(cache, RECIPE)) == 2
    (record,) = caplog.records
    assert record.message.startswith(f"{cache} cannot be written (")
    assert record.message.endswith("Choose a folder that can be written with --cache to keep them.")
