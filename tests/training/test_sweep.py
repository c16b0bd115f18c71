"""Sweeps, from a manifest to the run of the best head."""

import json

import pytest

from pipeline.cli.results import describe_sweep
from pipeline.errors import MissingExtraError
from pipeline.runs.run import load_run
from pipeline.runs.saving import Saving
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.folds import Folds
from pipeline.stage_two.grid import Grid
from pipeline.training import rows
from pipeline.training.sweep import sweep_heads
from tests.calls import read as scan

HEADS = ["knn:k=1|3", "ridge:alpha=10"]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Settings with a warm cache for all tests of this module."""
    folder = tmp_path_factory.mktemp("sweeps")
    return Settings.of(
        base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs", workers=1
    )


@pytest.fixture(scope="module")
def done(photos, settings):
    return sweep_heads(scan(photos), Grid(HEADS), settings, Saving("best"))


def test_best_head_becomes_a_run(done, settings):
    """The run has the head with the best validation accuracy, and the ranked table in its folder."""
    run = load_run("best", settings)

    assert done.results[0].head == run.info.head
    assert {result.head for result in done.results} == {"knn:k=1", "knn:k=3", "ridge:alpha=10"}
    assert run.scores["validation"].accuracy == done.results[0].validation.main
    assert "test" in run.scores
    assert json.loads((run.folder.path / "sweep.json").read_text()) == done.as_dict()["results"]


def test_rows_are_read_once(photos, settings, monkeypatch):
    """The best head is trained on the rows that the sweep has read."""
    readings, load = [], rows.load_rows
    monkeypatch.setattr(rows, "load_rows", lambda *a, **k: readings.append(1) or load(*a, **k))
    sweep_heads(scan(photos), Grid(HEADS), settings, Saving("again"))

    assert readings == [1]


def test_sweep_that_cannot_be_logged_does_not_start(photos, settings, tmp_path, monkeypatch):
    """A missing package is an error before the first training."""
    monkeypatch.setattr("pipeline.runs.tracking.tensorboard.find_spec", lambda _: None)
    monkeypatch.setattr("pipeline.training.sweep.run_sweep", lambda *_, **__: pytest.fail("The sweep started."))

    with pytest.raises(MissingExtraError, match="tensorboard"):
        sweep_heads(scan(photos), Grid(HEADS), settings.with_changes(tensorboard=tmp_path / "logs"), Saving())


def test_result_is_plain_values_for_json(done):
    """`as_dict` has the ranked table and the best run, and can be written as JSON."""
    values = json.loads(json.dumps(done.as_dict()))

    assert values["results"] == [result.as_dict() for result in done.results]
    assert values["best"]["run"] == "best"
    assert values["best"]["validation"]["n"] == 12


def test_result_is_shown_in_notebooks(done):
    """The display is one line; in notebooks it is a table with one row per head, the best first."""
    shown = done._repr_html_()

    assert repr(done).startswith("SweepResult(3 heads, best=Run('best', head=")
    assert "\n" not in repr(done)
    assert len(repr(done)) < 300
    assert shown.count("<tr>") == 1 + 3
    positions = [shown.index(f">{result.head}<") for result in done.results]
    assert positions == sorted(positions)
    assert len(shown) < 3000


def test_heads_of_two_poolings_share_one_table(photos, settings):
    """A linear head is trained on pooled rows and a dense one on the grid, as `fit_head` does; the table names both."""
    done = sweep_heads(scan(photos), Grid(["knn:k=1", "softmax"], Training(epochs=1)), settings, Saving("both"))
    shown = done._repr_html_()

    assert {result.head: result.pool for result in done.results} == {"knn:k=1": "avg", "softmax": "none"}
    assert load_run("both", settings).info.pool == done.results[0].pool
    assert ">avg<" in shown
    assert ">none<" in shown


def test_folds_choose_the_best_head(photos, settings):
    """Their means are in the table, in sweep.json and in the text; the winner's run has its folds."""
    grid = Grid(["knn:k=1|3", "ridge", "dense:2"], Training(epochs=1))
    done = sweep_heads(scan(photos), grid, settings, Saving(), folds=Folds(2))
    means = [result.folds["accuracy"] for result in done.results]
    text = describe_sweep(done.as_dict() | {"seconds": 1.0, "best": done.best.as_dict()})

    assert means == sorted(means, reverse=True)
    assert done.best.info.folds["accuracies"] == done.results[0].folds["accuracies"]
    assert json.loads((done.best.folder.path / "sweep.json").read_text())[0]["folds"]["accuracy"] == means[0]
    assert "Ranked by accuracy (mean of the folds); equal accuracies by loss." in text
    assert "mean of folds" in done._repr_html_()
