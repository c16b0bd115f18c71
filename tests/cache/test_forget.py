"""Forgetting images in stores: their rows are gone in every view, all others are what they were."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from pipeline.cache import forget as module
from pipeline.cache.audit import Verification, verify
from pipeline.cache.forget import forget_rows
from pipeline.cache.shard import read_provenance
from pipeline.cache.store import Store
from pipeline.errors import MissingRowsError
from tests.cache.samples import HALF, RECIPE, damage, digest_of, fill, make_keys, make_rows, snapshot

GONE = [digest_of(3), digest_of(13)]
KEPT = [number for number in range(20) if number not in (3, 13)]


@pytest.fixture
def store(tmp_path) -> Store:
    """Twenty images in three shards, and a second view of some of them."""
    store = Store(tmp_path, RECIPE)
    fill(store, range(12), range(12, 18), range(18, 20))
    fill(store, range(6), view=1)
    return store


def reopen(store: Store) -> Store:
    return Store(store.folder.parent, store.recipe)


def assert_gone(store: Store) -> None:
    """Rows of other images have their bits, and no file has the digests."""
    np.testing.assert_array_equal(reopen(store).read(make_keys(KEPT)), make_rows(KEPT))
    assert len(reopen(store)) == 18 + 5
    assert not reopen(store).has(make_keys([3, 13])).any()
    assert not reopen(store).has(make_keys([3], view=1)).any()
    assert verify([reopen(store)]) == Verification(23)
    for data in snapshot(store.folder).values():
        assert not any(digest in data or digest.hex().encode() in data for digest in GONE)


def test_rows_leave_in_every_view_and_others_keep_their_bits(store):
    """A shard without such rows is not touched, and the result names each shard before and after."""
    untouched = store.shards[2].path
    stamp = untouched.stat().st_mtime_ns
    done = forget_rows(store.folder, GONE, is_dry=False)
    again = forget_rows(store.folder, GONE, is_dry=False)

    assert_gone(store)
    assert (done.rows, len(done.shards), done.searched, done.error) == (3, 3, 4, None)
    assert {shard.after for shard in done.shards} < {path.name for path in store.shard_paths()}
    assert {shard.before for shard in done.shards}.isdisjoint(path.name for path in store.shard_paths())
    assert untouched.stat().st_mtime_ns == stamp
    assert not again.is_touched


def test_nothing_is_changed_to_find_out(store):
    """A dry call counts the same rows."""
    before = snapshot(store.folder)
    found = forget_rows(store.folder, GONE, is_dry=True)

    assert snapshot(store.folder) == before
    assert (found.rows, len(found.shards)) == (3, 3)
    assert {shard.after for shard in found.shards} == {None}


def test_shard_with_no_other_row_is_removed(tmp_path):
    """Nothing takes its place; halves are rewritten without a change of their bits, and seconds are shared out."""
    store = Store(tmp_path, HALF)
    fill(store, [3])
    store.append(make_keys(range(10, 14)), make_rows(range(10, 14)), {"engine": "test", "seconds": "2.000"})
    before = store.read(make_keys([10, 11, 12]))
    forget_rows(store.folder, GONE, is_dry=False)
    [shard] = reopen(store).shards

    np.testing.assert_array_equal(reopen(store).read(make_keys([10, 11, 12])), before)
    assert read_provenance(shard.path) == {"engine": "test", "seconds": "1.500"}


class KilledError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(6))
def test_killed_at_each_step_goes_on(store, monkeypatch, step):
    """Three commits and three removals: whatever was done before, the next call does the rest, and no other row is ever missing."""
    steps = iter(range(6))

    def dying(function):
        def called(*arguments, **settings):
            if next(steps) == step:
                raise KilledError
            return function(*arguments, **settings)

        return called

    monkeypatch.setattr(module, "commit_shard", dying(module.commit_shard))
    monkeypatch.setattr(module, "sync_folder", dying(module.sync_folder))
    with pytest.raises(KilledError):
        forget_rows(store.folder, GONE, is_dry=False)
    monkeypatch.undo()

    np.testing.assert_array_equal(reopen(store).read(make_keys(KEPT)), make_rows(KEPT))
    forget_rows(store.folder, GONE, is_dry=False)
    assert_gone(store)


def test_reader_with_an_open_index_goes_on(store):
    """Its shards are gone; it finds the other rows in the new ones, and says which are missing."""
    reader = reopen(store)
    reader.read(make_keys(range(20)))
    forget_rows(store.folder, GONE, is_dry=False)

    np.testing.assert_array_equal(reader.read(make_keys(KEPT)), make_rows(KEPT))
    with pytest.raises(MissingRowsError, match="1 of 1 rows"):
        reader.read(make_keys([3]))


def test_process_that_adds_rows_is_waited_for(store):
    """What it adds is forgotten, too."""
    waits, holds = threading.Event(), threading.Event()

    class Noticing(logging.Handler):
        def emit(self, record):
            waits.set()

    def add():
        with reopen(store).adding():
            holds.set()
            assert waits.wait(60)
            fill(reopen(store), [13], view=1)

    handler = Noticing()
    logging.getLogger("pipeline.cache.store").addHandler(handler)
    try:
        with ThreadPoolExecutor(1) as pool:
            adding = pool.submit(add)
            assert holds.wait(60)
            done = forget_rows(store.folder, GONE, is_dry=False)
            adding.result()
    finally:
        logging.getLogger("pipeline.cache.store").removeHandler(handler)

    assert done.rows == 4
    assert_gone(store)


def test_rows_can_come_back(store):
    """Forgetting is no list of images that are refused."""
    forget_rows(store.folder, GONE, is_dry=False)
    again = reopen(store)
    fill(again, [3])

    np.testing.assert_array_equal(reopen(store).read(make_keys([3])), make_rows([3]))


def test_damaged_shards_do_not_keep_rows(store):
    """One that holds such rows, or of which nobody can say so, leaves quarantine; one of other images stays for inspection."""
    holding, _, unreadable, views = (shard.path for shard in store.shards)
    [other] = fill(reopen(store), range(30, 42))
    for path, position in ((holding, 3000), (unreadable, 0), (other, 3000)):
        damage(path, position)
    done = forget_rows(store.folder, [digest_of(3)], is_dry=False)

    assert set(done.quarantined) == {holding.name, unreadable.name}
    assert [path.name for path in (store.folder / "quarantine").iterdir()] == [other.name]
    assert [shard.before for shard in done.shards] == [views.name]


def test_store_that_is_refused_is_named(store):
    """It is left as it is, with the reason."""
    (store.folder / "recipe.json").write_text("{}")
    found = forget_rows(store.folder, GONE, is_dry=False)

    assert "recipe" in found.error
    assert found.as_dict()["error"] == found.error
    assert not found.is_touched


def test_lists_of_keys_in_a_pushed_cache_leave_too(store):
    """Those that name the images, also of a shard that an earlier, killed call has removed already; others stay."""
    folder = store.folder / "keys"
    folder.mkdir()
    for shard in store.shards:
        (folder / f"{shard.path.stem}.keys").write_bytes(shard.keys.tobytes())
    named = sorted(f"{shard.path.stem}.keys" for shard in store.shards if module.is_of(GONE, shard).any())
    planned = forget_rows(store.folder, GONE, is_dry=True)
    done = forget_rows(store.folder, GONE, is_dry=False)

    assert sorted(planned.lists) == sorted(done.lists) == named
    assert len(list(folder.iterdir())) == 4 - len(named)
    assert_gone(store)
    (folder / "orphan.keys").write_bytes(GONE[0] + b"\0")
    assert forget_rows(store.folder, GONE, is_dry=False).lists == ("orphan.keys",)
