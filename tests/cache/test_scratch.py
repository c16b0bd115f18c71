"""Where the cache cannot be written, rows are computed for one command and not stored."""

import errno
import gc
import os

import numpy as np

from pipeline.cache import scratch
from pipeline.cache.scratch import ScratchStore, store_that_takes_rows
from pipeline.cache.store import Store
from tests.cache.samples import RECIPE, damage, make_keys, make_rows, snapshot


def test_store_that_can_be_written_is_used_itself(cache, tmp_path):
    """Also one that does not exist yet; nothing is left of the attempt."""
    before = snapshot(tmp_path)
    stores = [Store(cache, RECIPE), Store(tmp_path / "new/cache", RECIPE)]

    assert [store_that_takes_rows(store) for store in stores] == stores
    assert snapshot(tmp_path) == before
    assert not (tmp_path / "new").exists()


def test_rows_of_both_are_read_and_new_ones_go_to_a_temporary_folder(cache, monkeypatch, caplog):
    """The store below stays as it is, and the folder goes away."""
    real = os.open

    def refuse(path, flags, *rest, **places):
        if flags & os.O_CREAT and str(path).startswith(str(cache)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return real(path, flags, *rest, **places)

    monkeypatch.setattr(scratch.os, "open", refuse)
    before = snapshot(cache)
    store = store_that_takes_rows(Store(cache, RECIPE))
    with store.adding(make_keys(range(30))):
        store.append(make_keys(range(20, 30)), make_rows(range(20, 30)), {"engine": "test"})
    folder, read = store.folder, store.read(make_keys(range(30)))
    assert folder.exists()
    del store
    gc.collect()

    np.testing.assert_array_equal(read, make_rows(range(30)))
    where = cache / RECIPE.folder_name / "shards"
    assert (
        f"{where} cannot be written to (Read-only file system). New features are computed for this command"
        in caplog.text
    )
    assert snapshot(cache) == before
    assert not folder.exists()


def test_damage_below_is_handled_below(cache, tmp_path):
    """Its rows are missing, and can be added."""
    store = ScratchStore(Store(cache, RECIPE))
    victim = Store(cache, RECIPE).shard_paths()[0]
    damage(victim, 4000)
    missing = [number for number in range(20) if not store.has(make_keys([number]))[0]]
    store.append(make_keys(missing), make_rows(missing), {})

    assert 0 < len(missing) < 20
    np.testing.assert_array_equal(store.read(make_keys(range(20))), make_rows(range(20)))
    assert (cache / RECIPE.folder_name / "quarantine" / victim.name).exists()
