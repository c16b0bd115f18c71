"""One head, from a manifest to a run."""

import pytest

from pipeline.runs.run import load_run
from pipeline.runs.saving import Saving
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.tasks.decisions import Decisions
from pipeline.tasks.operating import Goal
from pipeline.training.heads import fit_head
from tests.calls import read as scan


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Settings with a warm cache for all tests of this module."""
    folder = tmp_path_factory.mktemp("heads")
    return Settings.of(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")


def test_linear_head_is_pooled_and_dense_head_is_not(photos, settings):
    """Linear heads use average pooling by default; dense heads use the grid, and have epochs."""
    manifest, training = scan(photos), Training(epochs=2)
    linear = fit_head(manifest, "ridge:alpha=10", settings, Saving(plots=False))
    dense = fit_head(manifest, "softmax", settings, Saving(plots=False), training=training)

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
    run = fit_head(scan(photos), "knn:k=1", logged, Saving("kept"))

    assert load_run("kept", settings).metrics == run.metrics
    assert [message for message in caplog.messages if "is saved" in message] == [
        "Run kept is saved, but its plots could not be drawn: RuntimeError: broken",
        "Run kept is saved, but its TensorBoard log could not be written: RuntimeError: broken",
    ]


@pytest.mark.parametrize("head", ["logreg:C=0.01", "softmax", "knn:k=5"])
def test_decisions_reach_the_run(head, photos, settings):
    """Threshold and calibration are kept: the run that is loaded predicts what was scored, and finds the images that the goal asks for."""
    manifest, decisions = scan(photos), Decisions("recall=1", "isotonic")
    training = Training(epochs=3, learning_rate=0.01)
    saving = Saving(f"d-{head[:4]}", plots=False)
    run = fit_head(manifest, head, settings, saving, training=training, decisions=decisions)
    loaded = load_run(run.name, settings)
    again = loaded.predict_manifest(manifest.split("validation"))
    scores = loaded.task.score(again.outputs, loaded.task.encode(list(again.manifest.labels)))
    rows = [row for row in loaded.folder.predictions() if row["split"] == "validation"]
    said = loaded.predict([photos / "validation"])

    assert loaded.task.goal == Goal("recall", 1.0)
    assert loaded.task.calibrate == loaded.info.calibration["method"] == "isotonic"
    assert loaded.info.calibration["error"].keys() == {"validation", "test"}
    assert run.as_dict()["threshold"] == {"goal": "recall=1", "from": {"red": loaded.task.threshold}}
    assert scores.accuracy == run.scores["validation"].accuracy
    assert scores.loss == pytest.approx(run.scores["validation"].loss, abs=1e-4)
    assert scores.recall["red"] == 1
    assert [row["predicted"] for row in rows] == [entry.label for entry in sorted(said, key=lambda each: each.path)]
    assert [float(row["p:red"]) for row in rows] == pytest.approx(again.outputs[:, 1].tolist(), abs=1e-4)


def test_plain_run_decides_nothing(photos, settings):
    """As before: nothing of thresholds or a calibration is kept."""
    run = fit_head(scan(photos), "ridge:alpha=10", settings, Saving("plain", plots=False))

    assert run.info.task == {"kind": "classification"}
    assert (run.as_dict()["threshold"], run.as_dict()["calibration"]) == (None, None)
