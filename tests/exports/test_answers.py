"""Exports of runs that answer with labels or numbers, and of runs with decisions; all formats are in test_answers_formats.py."""

import json
from pathlib import Path

import pytest

from pipeline import export
from pipeline.exports import keras_file
from pipeline.exports import sample_images as samples
from pipeline.settings import Settings
from pipeline.tasks.decisions import Decisions
from tests.exports.answers import check_export, draw_answers, train
from tests.exports.models import build_once


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Images with a table for each kind of task."""
    return draw_answers(tmp_path_factory.mktemp("answers"))


@pytest.fixture(scope="module", autouse=True)
def _cheap():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "NUM_IMAGES", 10)
        build_once(patch)
        yield


@pytest.mark.parametrize(
    ("kind", "head", "decisions"),
    [
        ("multilabel", "linear", Decisions("recall=0.9", "isotonic")),
        ("regression", "linear", Decisions()),
    ],
)
def test_exported_file_says_what_its_run_does(kind, head, decisions, tables, settings: Settings, tmp_path):
    """Labels by their thresholds, numbers with their intervals, and calibrated probabilities."""
    run = train(tables[kind], kind, head, settings, decisions=decisions)
    done = export(run, tmp_path / "model.keras")

    check_export(run, done, tables[kind], tmp_path)
    description, _ = keras_file.load(done.path)
    plain = json.loads(description.to_json())
    assert plain["task"] == run.task.without_calibration().as_dict()
    assert plain["origin"]["calibrated"] == (decisions.calibrate if decisions.calibrate != "none" else None)
    assert f"(N, {len(run.classes)}): {'values' if kind == 'regression' else 'probabilities'}" in plain["outputs"]
