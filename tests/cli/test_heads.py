"""The commands `features`, `head` and `sweep`."""

import json
import re
import shutil
from pathlib import Path

import pytest

from pipeline.bases.table import BASES
from tests.cli.commands import BASE, HEAD_KEYS, call
from tests.conftest import draw_photo, draw_tree


def test_features_prints_what_stage_one_did(work, photos):
    """The keys that others rely on are there, with all rows new."""
    result = work["features"].json

    assert work["features"].code == 0
    assert result.keys() >= {
        *("rows", "new", "reused", "skipped", "shape", "store", "fingerprint"),
        *("images_per_second", "seconds", "engine", "trunk_digest"),
    }
    assert (result["rows"], result["new"], result["reused"], result["skipped"]) == (48, 48, 0, [])
    assert result["shape"] == [2, 2, 512]
    assert Path(result["store"]).is_dir()
    assert result["fingerprint"].startswith(result["store"].rsplit("-", 1)[1])
    assert re.fullmatch("[0-9a-f]{64}", result["trunk_digest"])


def test_features_of_images_without_labels_say_how_to_choose_labels(tmp_path, photos):
    """The next command would fail, so it is not suggested."""
    images = sorted(path for path in photos.rglob("*") if path.is_file())[:4]
    table = tmp_path / "kinds.csv"
    table.write_text("path,kind\n" + "".join(f"{path},{number % 2}\n" for number, path in enumerate(images)))
    done = call("features", table, *BASE, "--cache", tmp_path / "cache")

    assert done.code == 0
    assert "No labels. Columns that could be the labels: 'kind'. Choose one with --label." in done.out
    assert "Next:" not in done.out


def test_features_again_reuses_all_rows(work, photos):
    """On a warm store no engine is needed, and nothing is new."""
    result = call("features", photos, *BASE, *work["places"], "--json").json

    assert (result["rows"], result["new"], result["reused"]) == (48, 0, 48)
    assert result["engine"] is result["images_per_second"] is None
    assert result["store"] == work["features"].json["store"]


def test_pictures_of_photographs_are_not_needed_twice(own, tmp_path):
    """A data set that grew costs only the images that are new."""
    tree = draw_tree(tmp_path / "photos", {"train": 3, "validation": 2})
    first = call("features", tree, *BASE, *own, "--json").json
    draw_photo(tree / "train" / "red" / "new.png", (90, 90, 90), seed=4321)
    second = call("features", tree, *BASE, *own, "--json").json

    assert (first["rows"], second["rows"]) == (10, 11)
    assert second["new"] == 1


def test_skipped_image_is_listed_with_its_reason(own, photos, tmp_path):
    """What cannot be read is left out, and named; with --strict it is an error."""
    tree = shutil.copytree(photos, tmp_path / "photos")
    (tree / "train" / "red" / "broken.png").write_bytes(b"no image")
    result = call("features", tree, *BASE, *own, "--json").json
    strict = call("features", tree, *BASE, *own, "--strict", "--json")

    assert result["rows"] == 48
    assert [entry["path"] for entry in result["skipped"]] == ["train/red/broken.png"]
    assert result["skipped"][0]["reason"]
    assert strict.code == 2
    assert "broken.png" in strict.json["message"]


@pytest.mark.parametrize("name", ["linear", "dense"])
def test_head_prints_scores_of_all_splits(name, work):
    """Accuracy, loss, number and interval of each split, and what was trained on what."""
    result = work[name].json

    assert work[name].code == 0
    assert result.keys() >= HEAD_KEYS
    for split, count in (("train", 24), ("validation", 12), ("test", 12)):
        low, high = result[split]["ci95"]

        assert set(result[split]) == {"accuracy", "loss", "n", "ci95"}
        assert result[split]["n"] == count
        assert 0 <= low <= result[split]["accuracy"] <= high <= 1
    assert result["run"] == name
    assert result["trunk_digest_before"] == result["trunk_digest_after"] == work["features"].json["trunk_digest"]


def test_linear_head_has_no_epochs(work):
    """A linear head on 512 pooled features has two columns of weights, and no epochs."""
    result = work["linear"].json

    assert result["head"] == "logreg:C=0.01"
    assert result["epochs"] is result["seconds_per_epoch"] is None
    assert result["trainable_params"] == 512 * 2 + 2
    assert result["total_params"] == BASES["squeezenet"].parameters + 512 * 2 + 2


def test_dense_head_has_epochs(work):
    """A dense head on the flattened grid tells its epochs and their time."""
    result = work["dense"].json

    assert result["epochs"] == 2
    assert result["seconds_per_epoch"] > 0
    assert result["trainable_params"] == 2048 * 8 + 8 + 8 + 1


def test_run_folder_holds_everything(work):
    """A run has its info, scores, predictions and pictures; a dense one also its history and curves."""
    files = work["files"]
    common = {"run.json", "metrics.json", "predictions.csv", "novelty.npz", "confusion.png", "roc.png"}

    assert files["linear"] == common | {"head.npz"}
    assert files["dense"] == common | {"head.keras", "history.csv", "curves.png"}


def test_sweep_prints_a_ranked_table(own, photos):
    """Every head has its scores and time, the best one becomes a run, and the test split is that run's alone."""
    heads = ("--head", "logreg:C=0.01|1", "--head", "knn:k=1|3", "--head", "softmax")
    result = call("sweep", photos, *heads, "--epochs", 1, "--workers", 1, "--name", "best", *BASE, *own, "--json").json
    ranks = [(-entry["validation"]["accuracy"], entry["validation"]["loss"]) for entry in result["results"]]

    assert set(result) == {"results", "best", "seconds", "classes", "skipped", "ignored"}
    assert len(result["results"]) == 5
    assert all(entry.keys() >= {"head", "params", "validation", "seconds"} for entry in result["results"])
    assert ranks == sorted(ranks)
    assert not any("test" in entry for entry in result["results"])
    assert json.loads((Path(result["best"]["folder"]) / "sweep.json").read_text()) == result["results"]
    assert result["best"].keys() >= HEAD_KEYS
    assert (result["best"]["run"], result["best"]["head"]) == ("best", result["results"][0]["head"])


def test_duplicates_across_splits_are_reported(own, photos, tmp_path, caplog):
    """The same image in two splits is named, with a warning that scores may be too good."""
    tree = shutil.copytree(photos, tmp_path / "photos")
    shutil.copy(tree / "train" / "red" / "red000.png", tree / "test" / "red" / "again.png")
    result = call("head", tree, "--head", "knn:k=1", *BASE, *own, "--json").json

    assert result["duplicates"] == [["test: test/red/again.png", "train: train/red/red000.png"]]
    assert "1 image is in more than one split" in caplog.text
