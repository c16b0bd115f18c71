"""One head, from a manifest to a run."""

import pytest

from pipeline.runs.run import load_run
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.training.heads import fit_head
from tests.calls import read as scan


@pytest.fixture(scope="module")
def settings(tmp_path_factory, home):
    """Settings with a warm cache for all tests of this module."""
    folder = tmp_path_factory.mktemp("heads")
    return Settings.of(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")


def test_linear_head_is_pooled_and_dense_head_is_not(photos, settings):
    """Linear heads use average pooling by default; dense heads use the grid, and have epochs."""
    manifest, training = scan(photos), Training(epochs=2)
    linear = fit_head(manifest, "ridge:alpha=10", settings, plots=False)
    dense = fit_head(manifest, "softmax", settings, training=training, plots=False)

    assert (linear.info.pool, linear.info.epochs, linear.info.training) == ("avg", None, None)
    assert (dense.info.pool, dense.info.epochs, dense.info.training["epochs"]) == ("none", 2, 2)
    assert linear.info.chosen["alpha"] == 10
    assert linear.info.trunk_digest_before == linear.info.trunk_digest_after == linear.info.recipe["trunk_digest"]


def test_run_is_kept_if_plots_and_logs_fail(photos, settings, tmp_path, monkeypatch, caplog):
    """A plot and a log that cannot be written are two warnings, and the run is saved."""

    def fail(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr("pipeline.runs.plots.by_task.draw_confusion", fail)
    monkeypatch.setattr("pipeline.runs.tracking.tensorboard.Events.finish", fail)
    logged = settings.with_changes(tensorboard=tmp_path / "logs")
    run = fit_head(scan(photos), "knn:k=1", logged, name="kept")

    assert load_run("kept", settings).metrics == run.metrics
    assert [message for message in caplog.messages if "is saved" in message] == [
        "Run kept is saved, but its plots could not be drawn: RuntimeError: broken",
        "Run kept is saved, but its TensorBoard log could not be written: RuntimeError: broken",
    ]
