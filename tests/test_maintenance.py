"""Looking after bases, weights and stores from Python."""

import sys

import pytest

import pipeline
from pipeline.errors import DataNotFoundError, SettingError, UnknownBaseError
from tests.conftest import RANDOM


def test_export_of_rows_replaces_nothing_else(photos, tmp_path):
    """It is refused before the images are looked at."""
    table = tmp_path / "labels.csv"
    table.write_text("path,label\n")

    with pytest.raises(SettingError, match=r"labels.csv exists and is no export of rows"):
        pipeline.export_cache(tmp_path / "none", table, **RANDOM)


def test_stores_are_listed_checked_exported_and_imported(warm, photos, tmp_path):
    """The functions for stores return what the commands print."""
    [store] = pipeline.list_stores(warm["cache"])
    check = pipeline.verify_cache(cache=warm["cache"])
    exported = pipeline.export_cache(photos, tmp_path / "plain.h5", pool="avg", **RANDOM, **warm)
    pipeline.export_cache(photos, exported.file, pool="avg", **RANDOM, **warm)
    imported = pipeline.import_cache(warm["cache"] / store.store, tmp_path / "other")
    pruned = pipeline.prune_cache(store.store, tmp_path / "other")

    assert pipeline.describe_store(store.store[:10], warm["cache"]) == store
    assert store.store in store._repr_html_()
    assert store.store in pipeline.list_stores(warm["cache"])._repr_html_()
    assert (check.found.num_ok, check.is_whole, check.as_dict()) == (48, True, {"rows": 48, "ok": 48, "bad": []})
    assert exported.rows == {"train": 24, "validation": 12, "test": 12}
    assert (len(imported.store), imported.num_new_shards) == (48, 1)
    assert (pruned.folders, pruned.is_done) == ((imported.store.folder,), False)
    assert pipeline.repair_cache(warm["cache"]).as_dict() == {
        "rows": 48,
        "ok": 48,
        "set_aside": [],
        "left": [],
        "mended": [],
    }
    assert [done.shards_after for done in pipeline.compact_cache(cache=warm["cache"])] == [1]


def test_rows_are_recomputed_from_their_images(places, photos):
    """Without images there is nothing to recompute from."""
    check = pipeline.verify_cache(photos, recompute=2, **RANDOM, **places)

    assert check.recomputed.rows == 2
    assert check.is_whole
    with pytest.raises(SettingError, match="give data together with recompute"):
        pipeline.verify_cache(recompute=2, cache=places["cache"])


def test_damage_makes_a_check_fail_and_is_set_aside(places, photos, tmp_path):
    """`verify_cache` only reads; `repair_cache` moves the shard to quarantine."""
    store = pipeline.import_cache(next(places["cache"].glob("squeezenet-*")), tmp_path).store.folder
    shard = next(store.glob("shards/*.h5"))
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    check = pipeline.verify_cache(cache=tmp_path)

    assert (check.is_whole, check.found.num_ok, shard.exists()) == (False, 0, True)
    assert pipeline.repair_cache(tmp_path).as_dict()["set_aside"] == [f"{store.name}/{shard.name}"]
    assert not shard.exists()


def test_bases_and_weights_are_listed(places, home):
    """At a size, a named base also has its shape and cuts."""
    [named] = pipeline.list_bases("squeezenet", size=48)
    [plain] = pipeline.list_bases(["vgg16"])

    assert (named.shape, named.cuts[-1]) == ((2, 2, 512), "fire9_concat")
    assert plain.as_dict().keys().isdisjoint({"shape", "cuts"})
    assert named.as_row()["shape"] == "2 x 2 x 512"
    assert "<td" in pipeline.list_bases()._repr_html_()
    assert "squeezenet-random" in pipeline.list_weights()._repr_html_()
    assert home / "weights" / "squeezenet-random.weights.h5" in pipeline.list_weights().files


def test_store_that_is_not_there_is_named(places):
    """The message lists the stores that are."""
    with pytest.raises(DataNotFoundError, match="'vgg16' names 0 stores"):
        pipeline.describe_store("vgg16", places["cache"])


def test_bases_are_listed_without_being_built(monkeypatch):
    """The table is enough; of a size, only bases that take it are built."""
    monkeypatch.setitem(sys.modules, "pipeline.bases.network", None)  # importing it is an error
    rows = pipeline.list_bases()

    assert len(rows) > 30
    assert all(row.shape is None and row.cuts is None for row in rows)
    assert [row.base for row in pipeline.list_bases(["xception", "vgg16"])] == ["xception", "vgg16"]
    with pytest.raises(UnknownBaseError):
        pipeline.list_bases("vgg16", size=3)


def test_weights_of_this_home_are_listed(tmp_path, monkeypatch):
    """With their sizes, and nothing else that lies there."""
    monkeypatch.setenv("BOTTLENECK_HOME", str(tmp_path))
    assert pipeline.list_weights().files == []
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "vgg16-imagenet.weights.h5").write_bytes(b"12345")
    (tmp_path / "weights" / "digests.json").write_text("{}")

    assert pipeline.list_weights().as_dict() == {
        "folder": str(tmp_path / "weights"),
        "weights": [{"file": "vgg16-imagenet.weights.h5", "bytes": 5}],
    }
