"""Stores are verified, repaired and pruned."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.cache.audit import Verification, delete, prune, quarantines, repair_cache, size_of, verify, verify_cache
from pipeline.cache.recipe import read_recipe
from pipeline.cache.store import Store
from pipeline.cache.stores import list_stores
from pipeline.errors import ForeignEntryError
from tests.cache.samples import HALF, RECIPE, damage, forge, make_rows, snapshot


def test_whole_stores_are_verified(cache):
    """All rows of all stores are counted, and nothing is found."""
    assert verify(list_stores(cache)) == Verification(25)


@pytest.mark.parametrize("kind", ["flipped bit", "cut", "swapped", "foreign", "pipe"])
def test_damage_is_reported_and_nothing_is_moved(cache, kind):
    """Verifying names the shard and the reason, counts the other rows, and leaves all files where they are."""
    store, other = Store(cache, RECIPE), Store(cache, HALF)
    first, second = store.shard_paths()
    if kind == "flipped bit":
        damage(first, 4000)
    elif kind == "cut":
        first.write_bytes(first.read_bytes()[:-1])
    elif kind == "swapped":
        shutil.copy(second, first)
    elif kind == "foreign":
        first.unlink()
        shutil.copy(other.shard_paths()[0], first.parent)
    else:
        first.unlink()
        os.mkfifo(first)
    before = snapshot(cache) if kind != "pipe" else None
    with h5py.File(second) as file:
        rows_of_second = len(file["view"])

    found = verify([store, other])

    assert found.num_ok == rows_of_second + 5
    assert len(found.bad) == 1
    assert found.bad[0].shard.startswith(f"{store.name}/")
    assert found.bad[0].row is None
    reason = {"foreign": "It belongs to another store", "pipe": "is not a regular file"}.get(kind, "is damaged")
    assert reason in found.bad[0].reason
    if before is not None:
        assert snapshot(cache) == before


def test_row_that_is_not_finite_is_named(cache):
    """A value that no append would have taken is found, with the number of its row."""

    def write(file):
        rows = make_rows(range(4))
        rows[2, 0, 0, 0] = np.nan
        rows[3, 1, 1, 4] = np.inf
        file.create_dataset("features", data=rows, chunks=rows.shape)

    path = forge(Store(cache, RECIPE).folder / "shards", write, without="features")
    found = verify([Store(cache, RECIPE)])

    assert found.num_ok == 22
    assert [(item.shard, item.row, item.reason) for item in found.bad] == [
        (f"{RECIPE.folder_name}/{path.name}", row, "not finite") for row in (2, 3)
    ]


def test_folders_are_measured_and_deleted(cache):
    """Quarantines and stores can be found, measured and removed; the rest stays."""
    store = Store(cache, RECIPE)
    damage(store.shard_paths()[0], 4000)
    len(store)
    (quarantine,) = quarantines(cache)
    size = sum(len(data) for data in snapshot(cache).values())

    assert size_of([cache]) == size
    assert 0 < size_of([quarantine]) < size
    delete([quarantine])
    assert quarantines(cache) == []
    assert len(Store(cache, HALF)) == 5
    assert len(store.shard_paths()) == 1


def test_verification_and_repair_of_a_cache_count_refused_stores(cache, tmp_path):
    """A store that is a link is bad but no damage; the damaged shard of another store is set aside and named."""
    elsewhere = (cache / HALF.folder_name).replace(tmp_path / HALF.folder_name)
    (cache / HALF.folder_name).symlink_to(elsewhere)
    damaged = Store(cache, RECIPE).shard_paths()[0]
    damage(damaged, 4000)
    found = verify_cache(cache).as_dict()
    done = repair_cache(cache).as_dict()

    assert [(entry["shard"], entry["is_damage"]) for entry in found["bad"]] == [
        (HALF.folder_name, False),
        (f"{RECIPE.folder_name}/{damaged.name}", True),
    ]
    assert found["rows"] == found["ok"] + 2
    assert (done["rows"], done["ok"]) == (found["rows"], found["ok"])
    assert done["set_aside"] == [f"{RECIPE.folder_name}/{damaged.name}"]
    assert [entry["shard"] for entry in done["left"]] == [HALF.folder_name]
    assert not damaged.exists()


@pytest.mark.parametrize("is_dry", [True, False])
def test_pruning_deletes_named_stores_and_all_quarantines(cache, is_dry):
    """A dry run names the same folders and bytes, and deletes nothing."""
    store = Store(cache, RECIPE)
    damage(store.shard_paths()[0], 4000)
    len(store)
    doomed = [cache / HALF.folder_name, store.folder / "quarantine"]
    size, before = size_of(doomed), snapshot(cache)

    assert prune(cache, [HALF.fingerprint[:12]], is_dry=is_dry).as_dict() == {
        "paths": [str(path) for path in doomed],
        "bytes": size,
        "deleted": not is_dry,
    }
    assert [path.exists() for path in doomed] == [is_dry, is_dry]
    assert (snapshot(cache) == before) == is_dry
    assert len(Store(cache, RECIPE).shard_paths()) == 1


RECIPES = {"no bytes": "", "another schema": '{"schema": 2}', "deep": "[" * 100_000, "no JSON": "{", "missing": None}


def injure_recipe(cache: Path, kind: str) -> Path:
    """Replace the recipe of the first store."""
    path = cache / RECIPE.folder_name / "recipe.json"
    text = RECIPES[kind]
    path.unlink() if text is None else path.write_text(text)
    return path


@pytest.mark.parametrize("kind", RECIPES)
def test_damaged_recipe_is_said_and_mended(cache, kind):
    """Verifying counts it as damage; repair writes it again, from a shard, and the store has all its rows."""
    path = injure_recipe(cache, kind)
    found = verify_cache(cache)
    done = repair_cache(cache)

    assert [(entry.shard, entry.is_damage) for entry in found.bad] == [(RECIPE.folder_name, True)]
    assert "recipe.json" in found.bad[0].reason
    assert found.num_ok == 5
    assert done.as_dict() == {"rows": 25, "ok": 25, "set_aside": [], "mended": [RECIPE.folder_name], "left": []}
    assert read_recipe(path.parent).fingerprint == RECIPE.fingerprint
    assert verify_cache(cache) == Verification(25)


@pytest.mark.parametrize("kind", RECIPES)
def test_stage_one_mends_a_damaged_recipe(cache, kind):
    """Whoever opens the store by its recipe knows what belongs there."""
    path = injure_recipe(cache, kind)

    assert len(Store(cache, RECIPE)) == 20
    assert read_recipe(path.parent).fingerprint == RECIPE.fingerprint


@pytest.mark.parametrize("kind", RECIPES)
def test_store_with_a_damaged_recipe_can_be_named_and_deleted(cache, kind):
    """Also one that has no shard to mend it from."""
    path = injure_recipe(cache, kind)
    prune(cache, [RECIPE.folder_name], is_dry=False)

    assert not path.parent.exists()
    assert verify_cache(cache) == Verification(5)


def test_recipe_of_a_store_without_a_whole_shard_is_left(cache):
    """Repair names it and what it cannot mend, and moves nothing."""
    injure_recipe(cache, "no bytes")
    for path in (cache / RECIPE.folder_name / "shards").iterdir():
        damage(path, 4000)
    before = snapshot(cache)
    done = repair_cache(cache)

    assert (done.mended, done.set_aside) == ((), [])
    assert [entry.shard for entry in done.left] == [RECIPE.folder_name]
    assert snapshot(cache) == before


@pytest.mark.parametrize("place", ["notes/quarantine", f"{RECIPE.folder_name}/quarantine"])
def test_quarantine_that_is_not_of_a_store_is_not_deleted(cache, place, caplog):
    """A folder of that name may be the user's, and so may a file in it."""
    thesis = cache / place / "thesis.txt"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("years of work")
    (cache / "notes").mkdir(exist_ok=True)
    (cache / "notes/recipe.json").write_text('{"schema": 1, "flour": "500 g"}')

    assert prune(cache, is_dry=False).folders == ()
    assert thesis.read_text() == "years of work"
    assert "It is skipped" in caplog.text


@pytest.mark.parametrize(
    "place", ["thesis.txt", "shards/thesis.txt", "shards/x.h5/thesis.txt", ".git/config", "quarantine/deep/thesis.h5"]
)
def test_store_with_something_else_in_it_is_not_deleted(cache, place):
    """The message names what was found."""
    thesis = cache / RECIPE.folder_name / place
    thesis.parent.mkdir(parents=True, exist_ok=True)
    thesis.write_text("years of work")
    before = snapshot(cache)

    with pytest.raises(ForeignEntryError, match="is nothing that a store has"):
        prune(cache, [RECIPE.folder_name], is_dry=False)
    assert snapshot(cache) == before
