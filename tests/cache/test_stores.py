"""The stores of a cache folder are listed, found by name and summarised."""

import json

import pytest

from pipeline.cache.store import Store
from pipeline.cache.stores import (
    find_store,
    list_stores,
    made_from,
    open_stores,
    seconds_to_make,
    summarize,
    summarize_all,
)
from pipeline.errors import DataNotFoundError
from tests.cache.samples import HALF, RECIPE, SHAPE, damage, fill, make_keys, make_rows


def test_stores_are_listed_by_name(cache):
    """Every store is found; folders and files that are none, or are damaged, are passed over."""
    (cache / "notes").mkdir()
    (cache / "file_hashes.sqlite").write_bytes(b"")
    for name, text in (("broken", "{"), ("null", "null"), ("foreign", '{"schema": 7}')):
        (cache / name).mkdir()
        (cache / name / "recipe.json").write_text(text)

    assert [store.name for store in list_stores(cache)] == sorted([RECIPE.folder_name, HALF.folder_name])
    assert list_stores(cache / "nowhere") == []


def test_store_is_found_by_the_start_or_end_of_its_name(cache):
    """A fingerprint is enough, and so is a beginning that only one store has."""
    assert find_store(RECIPE.fingerprint[:12], cache).name == RECIPE.folder_name
    assert find_store(HALF.folder_name, cache).name == HALF.folder_name
    with pytest.raises(
        DataNotFoundError, match=rf"'vgg16' names 2 stores below .* Expected one of: .*{RECIPE.folder_name}"
    ):
        find_store("vgg16", cache)
    with pytest.raises(DataNotFoundError, match="'resnet50' names 0 stores"):
        find_store("resnet50", cache)


def test_store_is_found_by_its_path(cache, tmp_path):
    """As commands print it; the path of another cache names no store of this one."""
    assert find_store(str(cache / RECIPE.folder_name), cache).name == RECIPE.folder_name
    with pytest.raises(DataNotFoundError, match="names 0 stores"):
        find_store(str(tmp_path / "other" / RECIPE.folder_name), cache)


def test_description_counts_what_is_there(cache):
    """Rows, shards, bytes and the newest provenance are those of the files."""
    store = Store(cache, RECIPE)
    size = sum(path.stat().st_size for path in store.shard_paths())

    described = summarize(store).as_dict()

    assert described == {
        "store": RECIPE.folder_name,
        "rows": 20,
        "shards": 2,
        "bytes": size,
        "shape": list(SHAPE),
        "compression": round(20 * 20 * 4 / size, 2),
        "quarantined": 0,
        "fingerprint": RECIPE.fingerprint,
        "recipe": RECIPE.as_dict(),
        "provenance": {"engine": "test"},
    }
    assert json.loads(json.dumps(described))["rows"] == 20


def test_description_of_a_damaged_store_counts_what_is_left(cache):
    """A shard that has to be set aside does not stop the description, even if it is the only one."""
    half, whole = Store(cache, HALF), Store(cache, RECIPE)
    damage(half.shard_paths()[0], 3000)
    damage(whole.shard_paths()[0], 3000)
    rows = [len(path.read_bytes()) for path in whole.shard_paths()]

    described = summarize(whole).as_dict()

    assert (described["shards"], described["quarantined"], described["bytes"]) == (1, 1, rows[1])
    assert described["rows"] in (8, 12)
    assert summarize(half).as_dict() | {"recipe": None} == {
        "store": HALF.folder_name,
        "rows": 0,
        "shards": 0,
        "bytes": 0,
        "shape": [],
        "compression": None,
        "quarantined": 1,
        "fingerprint": HALF.fingerprint,
        "recipe": None,
        "provenance": {},
    }


def test_refused_stores_have_reasons(cache, tmp_path):
    """A store that is a link is refused; the others are opened."""
    elsewhere = (cache / HALF.folder_name).replace(tmp_path / HALF.folder_name)
    (cache / HALF.folder_name).symlink_to(elsewhere)
    stores, refused = open_stores(cache)

    assert [store.name for store in stores] == [RECIPE.folder_name]
    assert [(name, "is a symbolic link" in str(error)) for name, error in refused.items()] == [(HALF.folder_name, True)]
    assert [summary.store for summary in summarize_all(cache)] == [RECIPE.folder_name]


def test_cost_and_origin_of_rows_come_from_their_provenance(tmp_path):
    """Seconds are shared among the rows; a store with a shard that records none has no known cost."""
    store = Store(tmp_path, RECIPE)
    store.append(make_keys(range(4)), make_rows(range(4)), {"seconds": "3.0", "from": "an earlier store"})
    store.append(make_keys(range(4, 6)), make_rows(range(4, 6)), {"seconds": "1.5"})

    assert seconds_to_make(store, 2) == pytest.approx(1.5)
    assert made_from(store) == {"an earlier store"}
    fill(store, range(6, 7))
    assert seconds_to_make(store, 2) is None
