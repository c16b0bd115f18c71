"""run.json."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.images.manifest import Contents, Manifest
from pipeline.runs import info
from pipeline.runs.info import RunInfo, data_digest
from pipeline.settings import Settings
from tests.calls import fit
from tests.calls import read as scan
from tests.runs.samples import make_info

MANIFEST = Manifest(
    images=Contents((b"", b"", b"")),
    positions=(0, 1, 2),
    names=("a", "b", "c"),
    digests=(b"1" * 32, b"2" * 32, b"3" * 32),
    labels=("x", "y", "x"),
    splits=("train", "validation", "test"),
)


def test_data_digest_does_not_depend_on_names_and_order():
    """Images with the same bytes, labels and splits have the same digest, whatever their names, order and title."""
    moved = replace(MANIFEST.select([2, 0, 1]), names=("p", "q", "r"), title="other", source="elsewhere")

    assert data_digest(moved) == data_digest(MANIFEST)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ("x", "y", "y")},
        {"splits": ("train", "validation", "train")},
        {"digests": (b"1" * 32, b"2" * 32, b"4" * 32)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_data_digest_depends_on_contents_labels_and_splits(change):
    """Another image, label or split gives another digest."""
    assert data_digest(replace(MANIFEST, **change)) != data_digest(MANIFEST)


def test_runs_on_other_features_can_be_compared(photos, tmp_path):
    """Runs on two layers have the same `data_digest` and two `task_digest`s; each image has its SHA-256."""
    settings = Settings.of(
        base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs"
    )
    runs = [
        fit(photos, "knn:k=1", plots=False, settings=settings.with_changes(cut=cut)) for cut in (None, "fire8_concat")
    ]
    infos = [run.folder.info for run in runs]
    manifest = scan(photos)
    expected = dict(zip(manifest.names, manifest.digests, strict=True))

    assert infos[0].data_digest == infos[1].data_digest == data_digest(manifest)
    assert infos[0].task_digest != infos[1].task_digest
    assert infos[0].source == str(photos)
    assert {row["path"]: bytes.fromhex(row["sha256"]) for row in runs[0].folder.predictions()} == expected
    assert np.unique([row["split"] for row in runs[0].folder.predictions()]).tolist() == ["test", "train", "validation"]


def test_versions_are_those_of_what_is_installed(monkeypatch):
    """A library that a run does not need may be missing, as TensorFlow for linear heads."""
    monkeypatch.setattr(info, "_LIBRARIES", ("numpy", "never-installed"))

    assert info._versions() == {"numpy": np.__version__}


def test_info_comes_back(tmp_path):
    """An info that is written as JSON is the same when it is read."""
    made = make_info(name="mine", views={"count": 2}, classes=("ant", "bee"))
    again = RunInfo.from_dict(json.loads(json.dumps(made.as_dict())), tmp_path / "run.json")

    assert again.as_dict() == json.loads(json.dumps(made.as_dict()))
    assert again.classes == ("ant", "bee")


def test_info_of_an_older_version_has_defaults(tmp_path):
    """Fields that are not in the file have their defaults; fields that are not known are ignored."""
    values = {name: value for name, value in make_info().as_dict().items() if name not in ("views", "phases")}
    info = RunInfo.from_dict(values | {"unknown": 1}, tmp_path / "run.json")

    assert (info.views, info.phases) == (None, ())
