"""From what a user names as data to a manifest."""

import logging

import pytest

from pipeline.errors import DataLayoutError
from pipeline.settings import Settings
from pipeline.stage_one.scan import scan
from tests.conftest import draw_tree


def test_manifest_is_returned_as_it_is(photos, caplog):
    """Nothing is read again, and nothing is logged."""
    manifest = scan(photos, Settings())
    caplog.clear()
    caplog.set_level(logging.INFO)

    assert scan(manifest, Settings(), split="1/1/1", label="other") is manifest
    assert caplog.records == []


@pytest.mark.parametrize("given", [{"split": "60/20/20"}, {"split_seed": 3}])
def test_percentages_without_effect_are_said(tmp_path, photos, caplog, given):
    """The data sets its splits itself; where it does not, they have an effect."""
    scan(photos, Settings(), **given)
    assert f"has no effect, because {photos.name} sets its splits itself." in caplog.text

    caplog.clear()
    scan(draw_tree(tmp_path / "data", {"": 4}), Settings(), **given)
    assert "has no effect" not in caplog.text


def test_one_image_under_two_labels_is_refused_with_strict(tmp_path):
    """Also in a manifest that was scanned before."""
    data = draw_tree(tmp_path / "data", {"": 2})
    copy = data / "blue" / "copy.png"
    copy.write_bytes((data / "red" / "red000.png").read_bytes())
    manifest = scan(data, Settings())

    for given in (data, manifest):
        with pytest.raises(
            DataLayoutError, match=r"1 image has more than one label, and --strict is set.*blue/copy.png"
        ):
            scan(given, Settings.of(strict=True))


def test_counts_and_warnings_are_logged(photos, caplog):
    """So that data that was taken for something else is noticed."""
    caplog.set_level(logging.INFO)
    manifest = scan(photos, Settings())
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]

    assert f"{manifest.title}: 48 images (24 train, 12 validation, 12 test), 0 skipped." in caplog.text
    assert warnings == list(manifest.warnings) != []


def test_digests_are_remembered_in_the_cache_folder(tmp_path, monkeypatch):
    """And nowhere else: the data is only read."""
    monkeypatch.setattr("pipeline.images.files.hashing.RACY_NS", -(10**10))  # files of this moment count as old
    data = draw_tree(tmp_path / "data", {"": 2})
    scan(data, Settings.of(cache=tmp_path / "cache"))

    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["file_hashes.sqlite"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "data"]


def test_settings_of_the_split_and_the_table_are_passed_on(tmp_path):
    """A table's label column and the folder of its paths, and the shares of a split."""
    draw_tree(tmp_path / "data", {"": 5})
    rows = [f"{label}/{label}00{number}.png,{label}" for label in ("red", "blue") for number in range(5)]
    (tmp_path / "table.csv").write_text("\n".join(["path,colour", *rows]))
    manifest = scan(
        tmp_path / "table.csv", Settings(), label="colour", root=str(tmp_path / "data"), split="100/0/0", split_seed=1
    )

    assert (len(manifest), set(manifest.labels), set(manifest.splits)) == (10, {"red", "blue"}, {"train"})


@pytest.mark.parametrize("name", ["photos", "photos/", "photos/../photos"])
def test_labels_of_the_tuner_are_mentioned(name, tmp_path, monkeypatch, caplog):
    """One line says that there are labels beside the folder, and the command that uses them; another table is not mentioned."""
    draw_tree(tmp_path / "photos", {"train": 1})
    table = tmp_path / "photos.labels.csv"
    monkeypatch.chdir(tmp_path)
    scan(name, Settings())
    table.write_text("name,price\n")
    scan(name, Settings())
    assert "tune" not in caplog.text
    table.write_text("path,label,split\ntrain/red/red000.png,blue,train\n")
    scan(name, Settings())

    assert caplog.text.count("has labels that `bottleneck tune` saved") == 1
    assert "photos.labels.csv --root " in caplog.text
