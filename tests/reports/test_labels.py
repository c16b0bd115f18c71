"""Several labels for each image, on a page."""

import numpy as np
import pytest

from pipeline.reports.labels import describe, labels_of, lists, mistakes
from pipeline.reports.prediction_table import read_prediction_table
from tests.reports.samples import make_task_run
from tests.stage_two.tasks import make_label_task


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_task_run(tmp_path_factory.mktemp("runs"), "labels", make_label_task())


@pytest.fixture(scope="module")
def table(run):
    return read_prediction_table(run)


def test_answers_come_back_as_letters(run, table):
    """1, 0, and ? for an answer that is not known."""
    rows = table.rows_of("test")
    texts = [labels_of(table)[row] for row in rows]

    assert [text[2] for text in texts].count("?") == 6
    assert [run.task.text([{"1": 1, "0": 0, "?": np.nan}[sign] for sign in text]) for text in texts] == [
        entry["label"] for entry in run.predictions() if entry["split"] == "test"
    ]


def test_images_of_a_label_are_those_that_its_scores_count(run, table):
    """Missed and found ones together are the positive images; found and false ones the predicted ones."""
    scores = run.scores["test"]
    shown = describe(scores, table, run.task, "test")
    for name, entry in zip(run.task.names, shown["labels"], strict=True):
        score, count = scores.labels[name], {what: entry[what]["count"] for what in ("missed", "false", "found")}
        assert count["missed"] + count["found"] == score.positive
        assert count["found"] / score.positive == pytest.approx(score.recall)
        assert count["found"] / (count["found"] + count["false"]) == pytest.approx(score.precision)
        assert all(p < score.threshold for _, p in entry["missed"]["rows"])
        assert entry["points"][-1][1] == 1
    assert len(lists(table, run.task, "test")) == 9
    assert sum(entry["n"] for entry in shown["reliability"]["bins"]) == 3 * 60 - 6


def test_mistakes_are_images_with_a_wrong_answer(run, table):
    """An answer that is not known is never wrong, and images without a mistake are left out."""
    found = mistakes(table, run.task, "test")

    assert 0 < len(found) < 60
    assert set(found) == set(np.flatnonzero(~table.is_right & (table.splits == 0)).tolist())


def test_many_labels_have_no_probabilities(tmp_path, monkeypatch):
    """predictions.csv then lists only the most likely labels: there are images, but no curves and no calibration."""
    monkeypatch.setattr("pipeline.tasks.stored.MAX_COLUMNS", 2)
    monkeypatch.setattr("pipeline.tasks.stored.NUM_LISTED", 2)
    run = make_task_run(tmp_path, "many", make_label_task())
    shown = describe(run.scores["test"], table := read_prediction_table(run), run.task, "test")

    assert table.probabilities is None
    assert shown["reliability"] is None
    assert shown["labels"][0]["points"] == []
    assert shown["labels"][0]["found"]["count"] > 0
