"""Merging shards: the same rows in fewer files, whoever reads meanwhile."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.cache import compact as module
from pipeline.cache.audit import Verification, verify
from pipeline.cache.compact import compact
from pipeline.cache.shard import read_provenance
from pipeline.cache.store import Store
from pipeline.cache.stores import seconds_to_make
from pipeline.errors import DamagedStoreError
from tests.cache.samples import HALF, RECIPE, damage, fill, make_keys, make_rows
from tests.cli.test_app import call

COUNT = 50


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    """A shard of sixteen rows is full."""
    monkeypatch.setattr(module, "FULL_ROWS", 16)


@pytest.fixture
def store(tmp_path) -> Store:
    """Fifty rows: a full shard, and seven small ones."""
    store = Store(tmp_path, RECIPE)
    fill(store, range(16), *(range(start, min(start + 5, COUNT)) for start in range(16, COUNT, 5)))
    return store


def reopen(store: Store) -> Store:
    return Store(store.folder.parent, store.recipe)


def sizes(store: Store) -> list[int]:
    """Rows of each shard."""
    found = []
    for path in store.shard_paths():
        with h5py.File(path) as file:
            found.append(len(file["view"]))
    return sorted(found)


def assert_whole(store: Store, numbers=range(COUNT)) -> None:
    np.testing.assert_array_equal(reopen(store).read(make_keys(numbers)), make_rows(numbers))
    assert len(reopen(store)) == len(numbers)


def test_small_shards_become_full_ones(store):
    """Each row is there once, and what it was; a full shard is not touched, and a second call changes nothing."""
    full = max(store.shard_paths(), key=lambda path: path.stat().st_size)
    stamp = full.stat().st_mtime_ns
    done = compact(store)
    after = store.shard_paths()
    again = compact(store)

    assert (done.rows, done.shards_before, done.shards_after) == (COUNT, 8, 3)
    assert sizes(store) == [15, 16, 19]
    assert full.stat().st_mtime_ns == stamp
    assert store.shard_paths() == after
    assert again.shards_before == again.shards_after == 3
    assert again.bytes_before == again.bytes_after == done.bytes_after < done.bytes_before
    assert verify([store]) == Verification(COUNT)
    assert_whole(store)


def test_reader_with_an_open_index_goes_on(store, monkeypatch):
    """Its shards are gone; it finds the rows in the merged ones, also if they go while it looks."""
    reader, late = reopen(store), reopen(store)
    reader.read(make_keys([49]))
    listed, calls = Store.shard_paths, []

    def list_and_merge(self):
        paths = listed(self)
        if self is late and not calls:
            calls.append(compact(store))
        return paths

    monkeypatch.setattr(Store, "shard_paths", list_and_merge)

    assert len(late) == COUNT
    assert calls
    np.testing.assert_array_equal(reader.read(make_keys(range(COUNT))), make_rows(range(COUNT)))
    assert not (store.folder / "quarantine").exists()


def test_verify_beside_a_merge_finds_nothing_bad(store, monkeypatch):
    """Shards that were merged after they were listed are not called damaged."""
    listed = store.shard_paths()
    compact(store)
    monkeypatch.setattr(Store, "shard_paths", lambda self: listed)

    assert verify([store]) == Verification(16)


def test_rows_that_stand_twice_stand_once_afterwards(tmp_path):
    """Two writers made the same rows; the larger shard keeps them, whatever the names are."""
    store = Store(tmp_path, RECIPE)
    fill(store, range(12), range(8, 14), range(3), range(20, 24))
    compact(store)
    after = store.shard_paths()
    compact(store)

    assert sizes(store) == [18]
    assert store.shard_paths() == after
    assert_whole(store, [*range(14), *range(20, 24)])


def test_only_rows_made_alike_are_merged(tmp_path):
    """Engines stay with their rows, and seconds add up: what a store has cost is told as before."""
    store = Store(tmp_path, RECIPE)
    for number, engine in enumerate(("a", "b", "a", "b", "a")):
        keys = range(3 * number, 3 * number + 3)
        store.append(make_keys(keys), make_rows(keys), {"engine": engine, "seconds": "1.500"})
    compact(store)

    assert sizes(store) == [6, 9]
    told = [read_provenance(path) for path in store.shard_paths()]
    assert sorted((entry["engine"], entry["seconds"]) for entry in told) == [("a", "4.500"), ("b", "3.000")]
    assert seconds_to_make(reopen(store), 15) == 7.5


def test_halves_are_merged_without_a_change(tmp_path):
    """float16 rows keep their bits."""
    store = Store(tmp_path, HALF)
    fill(store, range(3), range(3, 7))
    before = store.read(make_keys(range(7)))
    compact(store)

    assert sizes(store) == [7]
    np.testing.assert_array_equal(reopen(store).read(make_keys(range(7))), before)


def test_damage_is_never_merged(store, monkeypatch):
    """A byte that changes while shards are merged is an error that names the shard; all other rows are there."""
    victim, groups = next(shard.path for shard in store.shards if len(shard) == 5), module._groups

    def damage_and_group(parts):
        damage(victim, 3000)
        return groups(parts)

    monkeypatch.setattr(module, "_groups", damage_and_group)

    with pytest.raises(DamagedStoreError, match=str(victim)):
        compact(store)
    monkeypatch.undo()
    assert victim.exists()
    assert len(reopen(store)) == COUNT - 5


def test_damage_from_before_is_set_aside_before_anything_is_removed(tmp_path):
    """The only whole copy of rows that stand twice stays, though the damaged one is the larger."""
    store = Store(tmp_path, RECIPE)
    larger, _ = fill(store, range(20), range(5))
    damage(larger, 3000)
    compact(store)

    assert_whole(store, range(5))


def test_empty_store_stays_empty(tmp_path):
    """There is nothing to merge."""
    done = compact(Store(tmp_path, RECIPE))

    assert (done.rows, done.shards_before, done.shards_after) == (0, 0, 0)


def test_command_merges_the_named_store_or_all(store):
    """What it prints are the shards before and after."""
    fill(Store(store.folder.parent, HALF), range(3), range(3, 6))
    place = ("--cache", store.folder.parent)
    named = call("cache", "compact", HALF.folder_name, *place, "--json").json["stores"]
    every = call("cache", "compact", *place, "--json").json["stores"]

    assert [(entry["store"], entry["shards_before"], entry["shards_after"]) for entry in named] == [
        (HALF.folder_name, 2, 1)
    ]
    assert {entry["store"]: entry["shards_after"] for entry in every} == {HALF.folder_name: 1, RECIPE.folder_name: 3}
    assert "shards before" in call("cache", "compact", *place).out
    assert call("cache", "compact", "--cache", Path("nowhere")).out == "No stores yet.\n"
    assert json.dumps(every)


def test_store_that_cannot_be_merged_does_not_end_the_others(store):
    """It is named, and the command exits with 3."""
    cache = store.folder.parent
    fill(Store(cache, HALF), range(3), range(3, 6))
    (cache / HALF.folder_name / ".lock").write_text("years of work")
    outcomes = [call("cache", "compact", "--cache", cache, *words) for words in (["--json"], [])]
    done, said = outcomes[0].json["stores"], outcomes[1].out

    assert [outcome.code for outcome in outcomes] == [3, 3]
    assert {entry["store"]: entry["shards_after"] for entry in done} == {HALF.folder_name: 0, RECIPE.folder_name: 3}
    assert [entry["store"] for entry in done if "error" in entry] == [HALF.folder_name]
    assert f"{HALF.folder_name} was not merged: " in said
    assert ".lock is not an empty file of the cache" in said
    assert (cache / HALF.folder_name / ".lock").read_text() == "years of work"
