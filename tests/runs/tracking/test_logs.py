"""Logging of trainings: what is logged, and what happens if that fails."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import MissingExtraError
from pipeline.runs.tracking import mlflow as tracking
from pipeline.runs.tracking import tensorboard as events
from pipeline.runs.tracking.logs import log_sweep, open_log, scores_of, settings_of
from pipeline.tasks.regression import Regression
from tests.runs.samples import HISTORY, SCORES, make_info, make_run, read_curves, read_hyperparameters

VALIDATION = SCORES["validation"].as_dict()


def test_training_whose_log_fails_goes_on_with_one_warning(tmp_path, monkeypatch, caplog):
    """With a full disk no epoch and no run is lost, one warning is logged, and no part of the log stays."""

    def fail(*_):
        raise OSError("No space left on device")

    with open_log(tmp_path / "logs", None) as log:
        monkeypatch.setattr(events.Events, "_write", fail)
        for row in HISTORY:
            log.add_epoch(row)
        log.finish(make_run(tmp_path / "runs"))

    assert caplog.messages == [
        "The training continues, but its TensorBoard log could not be written: OSError: No space left on device"
    ]
    assert list((tmp_path / "logs").iterdir()) == []


def test_run_whose_log_fails_is_kept_with_a_warning(tmp_path, caplog):
    """A file has the name of the log folder: the warning names the run, and no part of the log stays."""
    (tmp_path / "mine").touch()
    with open_log(tmp_path, None) as log:
        log.finish(make_run(tmp_path / "runs"))
    log_sweep(tmp_path / "mine", "best", [{"head": "ridge", "settings": {}, "validation": VALIDATION}])
    first, second = caplog.messages

    assert first.startswith("Run mine is saved, but its TensorBoard log could not be written: FileExistsError: ")
    assert second.startswith("Sweep best is saved, but its TensorBoard log could not be written: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "runs"]


def test_tensorboard_shows_every_head_of_a_sweep(tmp_path):
    """Each head has a row of hyperparameters, and its validation scores."""
    heads = [("dense:8,relu", {"learning_rate": 0.5}), ("ridge", {"alpha": 1.0})]
    log_sweep(tmp_path, "best", [{"head": h, "settings": s, "validation": VALIDATION} for h, s in heads])

    assert read_hyperparameters(tmp_path / "best-sweep" / "001") == {"head": "dense:8,relu", "learning_rate": 0.5}
    assert read_curves(tmp_path / "best-sweep" / "002") == {
        "validation/accuracy": [(0, 0.75)],
        "validation/loss": [(0, 0.5)],
    }


def test_settings_of_a_dense_head_are_those_of_its_training():
    """Settings that do not apply are left out; a value of False is not."""
    training = {"epochs": 3, "learning_rate": 0.001, "seed": 0}
    views = {"count": 4, "augmentation": "r0"}
    found = settings_of(make_info(training=training, chosen={}, cached=False, views=views))

    assert (found["epochs"], found["learning_rate"], found["views"], found["augmentation"]) == (3, 0.001, 4, "r0")
    assert found["cached"] is False
    assert found.keys().isdisjoint({"alpha", "first_trained_layer", "candidates"})


@pytest.mark.parametrize(
    ("module", "arguments"), [(events, (Path("logs"), None)), (tracking, (None, "kept"))], ids=["tensorboard", "mlflow"]
)
def test_missing_package_is_an_error_before_the_training(module, arguments, monkeypatch):
    """The message names what to install."""
    monkeypatch.setattr(module, "find_spec", lambda _: None)

    with (
        pytest.raises(MissingExtraError, match=r"pip install 'bottleneck-pipeline\[(tensorboard|mlflow)\]'"),
        open_log(*arguments),
    ):
        pytest.fail("The training began.")


def test_logs_have_the_main_score_of_the_task(tmp_path):
    """R2 of numbers, and in a sweep the score that its heads are ranked by."""
    task, values = Regression(("age",)), np.float32([[1], [2], [4]])
    scores = task.score(values, np.float32([[1], [2], [3]]))
    log_sweep(tmp_path, "best", [{"head": "ridge", "settings": {}, "validation": scores.brief().as_dict()}])
    logged = read_curves(tmp_path / "best-sweep" / "001")

    assert scores_of({"test": scores}) == {"test/r2": scores.r2, "test/loss": scores.loss}
    assert set(logged) == {"validation/r2", "validation/loss"}
    assert logged["validation/r2"][0][1] == pytest.approx(scores.r2)
