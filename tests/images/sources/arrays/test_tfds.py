"""Data sets of TensorFlow Datasets, on a real one that is made here by its own writer."""

import sys
from pathlib import Path

import pytest

from pipeline.errors import DataLayoutError, MissingExtraError, SettingError
from pipeline.images.manifest import Manifest
from tests.calls import read as scan_data
from tests.faults.child import Averages, run


@pytest.fixture(scope="module")
def prepared(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `tiny_photos` is prepared, with the splits train and test, and `only_texts`."""
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("prepared")
    features = tfds.features
    manifest = scan_data(photos)
    examples: dict[str, list] = {"train": [], "test": [], "extra": []}
    for row, name in enumerate(manifest.names):
        values = {"image": str(photos / name), "label": manifest.labels[row], "size": "small", "name": name}
        examples["test" if manifest.splits[row] == "test" else "train"].append((name, values))
    examples["extra"] = examples["test"][:3]
    tfds.dataset_builders.store_as_tfds_dataset(
        name="tiny_photos",
        version="1.0.0",
        features=features.FeaturesDict(
            {
                "image": features.Image(),
                "label": features.ClassLabel(names=["blue", "red"]),
                "size": features.ClassLabel(names=["small", "large"]),
                "name": features.Text(),
            }
        ),
        split_datasets=examples,
        data_dir=folder,
    )
    tfds.dataset_builders.store_as_tfds_dataset(
        name="only_texts",
        version="1.0.0",
        features=features.FeaturesDict({"name": features.Text()}),
        split_datasets={"train": [("a", {"name": "a"})]},
        data_dir=folder,
    )
    return folder


@pytest.fixture(autouse=True)
def _here(prepared, monkeypatch):
    """What is prepared is found where the variable of TensorFlow Datasets says."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))


def scan(tmp_path: Path, name: str = "tfds:tiny_photos", **settings: object) -> Manifest:
    """The manifest of a data set, kept in a home of its own."""
    return scan_data(name, home=tmp_path / "home", **settings)


def content_of(manifest: Manifest) -> list:
    """Digest, label and whether it is a test image, of each image."""
    return sorted(
        (digest, label, split == "test")
        for digest, label, split in zip(manifest.digests, manifest.labels, manifest.splits, strict=True)
    )


def test_images_are_those_of_the_files(photos, tmp_path, capsys, caplog):
    """Labels by name, digests of the original files, the splits of the data set, and validation cut from train."""
    manifest = scan(tmp_path)

    assert content_of(manifest) == content_of(scan_data(photos))
    assert {split: manifest.splits.count(split) for split in ("train", "test")} == {
        "train": 36 - manifest.splits.count("validation"),
        "test": 12,
    }
    assert manifest.splits.count("validation") > 0
    assert manifest.title == "tfds-tiny_photos"
    assert capsys.readouterr().out == ""
    assert "tfds:tiny_photos: the splits extra are skipped" in caplog.text


def test_rows_of_the_files_serve_it(photos, tmp_path, monkeypatch):
    """The same images have the same rows."""
    engine = Averages()
    run(photos, tmp_path / "cache", engine)
    scan(tmp_path)
    kept = tmp_path / "home/datasets/tfds-tiny_photos.parquet"

    assert run(kept, tmp_path / "cache", engine).num_rows == 48
    assert engine.num_images == 48


def test_later_scans_need_no_library(tmp_path, monkeypatch):
    """What was fetched once is read from the kept file; version and config have files of their own."""
    first = scan(tmp_path)
    pinned = scan(tmp_path, "tfds:tiny_photos:1.0.0")
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    again = scan(tmp_path)

    assert (again.digests, again.labels, again.splits) == (first.digests, first.labels, first.splits)
    assert pinned.digests == first.digests
    assert sorted(path.name for path in (tmp_path / "home/datasets").iterdir()) == [
        "tfds-tiny_photos-1.0.0.parquet",
        "tfds-tiny_photos.parquet",
    ]
    with pytest.raises(MissingExtraError, match=r"pip install 'bottleneck-pipeline\[tfds\]'"):
        scan(tmp_path, "tfds:another")


def test_other_features_of_classes_are_label_columns(tmp_path):
    """As those of a table are."""
    assert set(scan(tmp_path, label="size").labels) == {"small"}
    with pytest.raises(DataLayoutError, match=r"Label columns are \['label', 'size'\]"):
        scan(tmp_path, label="name")


@pytest.mark.parametrize("name", ["../x", "a/../b", "a/..", "huggingface:mnist", "a b", "mnist/data_dir=x", "/etc"])
def test_name_that_is_none_is_refused(name, tmp_path):
    """Nothing is asked for, and no path is made of it."""
    with pytest.raises(
        SettingError, match=r"^Expected tfds:NAME, tfds:NAME/CONFIG, or either with :1\.2\.3\. Received: "
    ):
        scan(tmp_path, f"tfds:{name}")
    assert not (tmp_path / "home").exists()


def test_unknown_data_set_is_named(tmp_path):
    """With what can be done instead."""
    with pytest.raises(
        DataLayoutError, match=r"could not prepare 'no_such_set': DatasetNotFoundError: .* or set TFDS_DATA_DIR"
    ):
        scan(tmp_path, "tfds:no_such_set")


def test_data_set_without_images_is_refused(tmp_path):
    """The message shows its features, and nothing is kept."""
    with pytest.raises(DataLayoutError, match=r"only_texts needs one feature that is an image .* Received: \['name'\]"):
        scan(tmp_path, "tfds:only_texts")
    assert not list(tmp_path.glob("home/datasets/*.parquet"))
