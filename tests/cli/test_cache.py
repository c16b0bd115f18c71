"""The commands below `cache`."""

import hashlib
import json
from pathlib import Path

import h5py

from tests.cli.commands import BASE, call


def test_stores_are_listed_and_described(work):
    """The cache's stores are listed, and one of them is described by the end of its name."""
    (row,) = call("cache", "ls", *work["places"], "--json").json
    described = call("cache", "info", row["store"][-6:], *work["places"], "--json").json

    assert row["rows"] == 48
    assert row["store"].startswith("squeezenet-48px-fire9_concat-")
    assert described["fingerprint"] == work["features"].json["fingerprint"]
    assert described["recipe"]["base"] == "squeezenet"


def test_verify_prints_what_is_whole(work):
    """Every row of the cache is read and counted."""
    assert call("cache", "verify", *work["places"], "--json").json == {"rows": 48, "ok": 48, "bad": []}


def test_verify_finds_one_changed_bit(own):
    """A shard with one other bit is named, and the exit code is 3."""
    shard = next(own[1].rglob("shards/*.h5"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    outcome = call("cache", "verify", *own, "--json")
    (bad,) = outcome.json["bad"]

    assert outcome.code == 3
    assert set(bad) == {"shard", "row", "reason", "is_damage"}
    assert bad["is_damage"] is True
    assert bad["shard"].endswith(shard.name)
    assert outcome.json["ok"] == 0


def test_verify_can_compute_rows_again(work, photos):
    """With the data at hand, rows are compared with what the base gives now."""
    places = ("--recompute", 5, "--data", photos, *BASE, *work["places"])
    result = call("cache", "verify", *places, "--json").json["recomputed"]

    assert result["rows"] == 5
    assert result["bad"] == []
    assert result["largest_difference"] <= 1e-5


def test_store_can_be_exported_and_imported(work, photos, tmp_path):
    """One plain HDF5 file has the splits with features and labels; a store's folder is taken over elsewhere."""
    exported = call("cache", "export", photos, tmp_path / "plain.h5", *BASE, *work["places"], "--json").json
    store = work["features"].json["store"]
    taken = call("cache", "import", store, "--cache", tmp_path / "other", "--json").json
    with h5py.File(tmp_path / "plain.h5") as file:
        shapes = {name: group["features"].shape for name, group in file.items()}

    assert exported["rows"] == {"train": 24, "validation": 12, "test": 12}
    assert shapes == {"train": (24, 2, 2, 512), "validation": (12, 2, 2, 512), "test": (12, 2, 2, 512)}
    assert taken["rows"] == 48
    assert Path(taken["store"]).parent == tmp_path / "other"


def test_prune_deletes_only_with_yes(own):
    """Without --yes it is only shown what would go."""
    store = next(own[1].glob("squeezenet-*"))
    shown = call("cache", "prune", store.name, *own, "--json").json
    kept = store.exists()
    deleted = call("cache", "prune", store.name, "--yes", *own, "--json").json

    assert shown["paths"] == deleted["paths"] == [str(store)]
    assert (shown["deleted"], kept) == (False, True)
    assert (deleted["deleted"], store.exists()) == (True, False)


def test_forget_changes_something_only_with_yes(own, photos):
    """The same certificate as text and as JSON; a digest names an image, too."""
    image = photos / "train" / "red" / "red000.png"
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    shown = call("cache", "forget", image, "--with-runs", *own)
    before = call("cache", "ls", *own, "--json").json[0]["rows"]
    done = call("cache", "forget", digest.upper(), "--yes", *own, "--json").json
    after = call("cache", "ls", *own, "--json").json[0]["rows"]

    assert shown.out.startswith(f"Would forget 1 image (add --yes)\n  {digest}  {image}\nStores: 1 searched, 1 row ")
    assert "-> new shard (1 of 48 rows)" in shown.out
    assert "fit again" in shown.out
    assert (before, after, done["rows"], done["forgotten"], done["complete"]) == (48, 47, 1, True, True)
    assert done["stores"][0]["shards"][0]["kept"] == 47
    assert done["traces"]["found"] == []


def test_what_cannot_be_forgotten_makes_another_exit_code(own, photos):
    """A run that is not on rows; without --yes nothing has failed yet."""
    image = photos / "train" / "red" / "red001.png"
    run = next(own[3].glob("*/run.json"))
    run.write_text(json.dumps(json.loads(run.read_text()) | {"regime": "end to end", "cached": False}))
    shown = call("cache", "forget", image, "--with-runs", *own)
    done = call("cache", "forget", image, "--with-runs", "--yes", *own)

    assert (shown.code, done.code) == (0, 3)
    assert f"Not done: Run {run.parent.name}: It was trained on live images" in done.out
    assert call("cache", "forget", "nowhere.png", *own).code == 2
