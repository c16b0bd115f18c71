"""What a run says of the images that it was trained on."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline import Settings, fit, load_run, sweep
from pipeline.errors import MissingExtraError
from pipeline.images.manifest import Contents, Manifest
from pipeline.images.scan import scan
from pipeline.runs.info import data_digest

MANIFEST = Manifest(
    images=Contents((b"", b"", b"")),
    positions=(0, 1, 2),
    names=("a", "b", "c"),
    digests=(b"1" * 32, b"2" * 32, b"3" * 32),
    labels=("x", "y", "x"),
    splits=("train", "validation", "test"),
)


def test_names_and_order_do_not_change_what_scores_are_of():
    """The same contents with the same labels and splits are the same, whatever they are called and wherever they lie."""
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
def test_contents_labels_and_splits_change_what_scores_are_of(change):
    """Another photograph, label or split is another task."""
    assert data_digest(replace(MANIFEST, **change)) != data_digest(MANIFEST)


def test_runs_on_other_features_can_be_compared(photos, tmp_path):
    """Runs on two layers have one `data_digest` and two of their tasks, and know the content of each image and where they were."""
    options = Settings.of(
        base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs"
    )
    runs = [
        fit(photos, "knn:k=1", plots=False, settings=options.with_changes(cut=cut)) for cut in (None, "fire8_concat")
    ]
    infos = [run.folder.info for run in runs]
    manifest = scan(photos)
    expected = dict(zip(manifest.names, manifest.digests, strict=True))

    assert infos[0]["data_digest"] == infos[1]["data_digest"] == data_digest(manifest)
    assert infos[0]["task_digest"] != infos[1]["task_digest"]
    assert infos[0]["source"] == str(photos)
    assert {row["path"]: bytes.fromhex(row["sha256"]) for row in runs[0].folder.predictions()} == expected
    assert np.unique([row["split"] for row in runs[0].folder.predictions()]).tolist() == ["test", "train", "validation"]


@pytest.fixture
def options(tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


def test_run_is_kept_whatever_fails_after_its_training(photos, options, tmp_path, monkeypatch, caplog):
    """A plot and a log that cannot be written are warnings, each of which names its part."""

    def fail(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr("pipeline.runs.plots.draw_confusion", fail)
    monkeypatch.setattr("pipeline.runs.tensorboard.Events.finish", fail)
    run = fit(photos, "knn:k=1", name="kept", settings=options.with_changes(tensorboard=tmp_path / "logs"))

    assert load_run("kept", settings=options).metrics == run.metrics
    assert caplog.messages == [
        "Run kept is saved, but its plots could not be drawn: RuntimeError: broken",
        "Run kept is saved, but TensorBoard's log of it could not be written: RuntimeError: broken",
    ]


def test_sweep_that_cannot_be_logged_does_not_begin(photos, options, tmp_path, monkeypatch):
    """What is missing is an error before the trainings, not after them."""
    monkeypatch.setattr("pipeline.runs.tensorboard.find_spec", lambda _: None)
    monkeypatch.setattr("pipeline.training.heads.run_sweep", lambda *_, **__: pytest.fail("The sweep began."))

    with pytest.raises(MissingExtraError, match="tensorboard"):
        sweep(photos, ["knn:k=1"], settings=options.with_changes(tensorboard=tmp_path / "logs"))
