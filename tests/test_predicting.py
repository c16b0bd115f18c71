"""Predicting and scoring with a run: what is checked before the work, and what is written."""

import csv
from pathlib import Path

import pytest

import pipeline
from pipeline.errors import RunNotFoundError, SettingError
from pipeline.predicting import evaluate_data, load_predictor, predict_images
from tests.conftest import RANDOM

LINEAR = "linear"


@pytest.fixture(scope="module")
def settings(photos, places, home):
    """Those of a run with a linear head, which is trained here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOTTLENECK_HOME", str(home))
        return pipeline.fit(photos, "ridge", name=LINEAR, plots=False, **RANDOM, **places).settings


@pytest.fixture
def images(photos):
    return sorted((photos / "test").rglob("*.png"))[:3]


def test_run_is_found_by_name_and_by_folder(settings):
    """A digest is of exported files: with a run it would have no effect."""
    assert load_predictor(LINEAR, settings).name == LINEAR
    assert load_predictor(settings.paths.runs / LINEAR, settings).name == LINEAR
    with pytest.raises(SettingError, match=rf"{LINEAR} is not one\. Leave out --digest"):
        load_predictor(LINEAR, settings, digest="0" * 64)
    with pytest.raises(RunNotFoundError, match="other"):
        load_predictor("other", settings)


def test_predictions_and_overlays_are_written(settings, images, tmp_path):
    """Overlays change no answer; their files are those that the predictions name."""
    out = tmp_path / "answers.csv"
    plain = predict_images(LINEAR, images, settings)
    shown = predict_images(LINEAR, images, settings, out=out, evidence=tmp_path / "where")

    assert [one.label for one in shown] == [one.label for one in plain]
    assert [one.evidence for one in plain] == [None] * 3
    assert sorted(one.evidence for one in shown) == sorted(map(str, (tmp_path / "where").iterdir()))
    with out.open() as file:
        assert [(row["path"], row["label"]) for row in csv.DictReader(file)] == [
            (str(path), one.label) for path, one in zip(images, plain, strict=True)
        ]


def test_what_is_needed_is_not_written_over(settings, photos, tmp_path, monkeypatch):
    """The table of the images, and the files of a run: before a run is loaded."""
    table = tmp_path / "images.csv"
    table.write_text(f"path\n{next(photos.rglob('*.png'))}\n")
    run = load_predictor(LINEAR, settings)
    monkeypatch.setattr("pipeline.predicting.load_predictor", lambda *_, **__: pytest.fail("loaded"))

    with pytest.raises(SettingError, match=r"images\.csv"):
        predict_images(LINEAR, table, settings, out=table)
    with pytest.raises(SettingError, match=LINEAR):
        evaluate_data(LINEAR, photos, settings, {}, out=Path(run.folder.path))
    assert table.read_text().startswith("path\n")


def test_answers_are_found_under_the_column_of_the_run(settings, photos, tmp_path):
    """A table for scoring needs no --label if its column has the name that the run was trained on."""
    lines = [f"{path},{path.parent.name},{number}" for number, path in enumerate(sorted(photos.rglob("*.png")))]
    table = tmp_path / "more.csv"
    table.write_text("\n".join(["path,hue,size", *lines]))
    own = {"cache": settings.paths.cache, "runs": settings.paths.runs}
    pipeline.fit(table, "ridge", label="hue", name="hues", plots=False, **RANDOM, **own)

    assert evaluate_data("hues", table, settings, {}, split="all").scores.n == len(lines)
