"""TensorBoard logs of runs, as TensorBoard reads them."""

import math

import pytest

from pipeline.runs.folder import open_run
from pipeline.runs.tracking.logs import open_log
from tests.cli.test_app import start
from tests.runs.samples import HISTORY, SCORES, VALUES, make_run, read_curves, read_hyperparameters


def test_tensorboard_shows_a_linear_head(tmp_path):
    """Scores by split, the path of the regularisation from small to large, and a row of hyperparameters."""
    with open_log(tmp_path / "logs", None) as log:
        log.finish(make_run(tmp_path / "runs"))
    shown = read_curves(tmp_path / "logs" / "mine")

    assert {name: points for name, points in shown.items() if "/" in name and "regularisation" not in name} == {
        name: [(0, value)] for name, value in VALUES.items()
    }
    assert shown["regularisation/value"] == [(0, 1.0), (1, 10.0)]
    assert shown["regularisation/accuracy"] == [(0, 0.5), (1, 0.75)]
    assert read_hyperparameters(tmp_path / "logs" / "mine") == {
        "data": "photos",
        "head": "ridge",
        "pool": "avg",
        "seed": 0,
        "alpha": 10.0,
        "base": "vgg16",
        "size": 64,
        "cut": "block5_pool",
        "fingerprint": "0123456789ab",
    }


def test_tensorboard_shows_epochs_while_they_come(tmp_path):
    """During the training its epochs can be read; afterwards they are in the folder of the run."""
    with open_log(tmp_path, None) as log:
        for row in HISTORY:
            log.add_epoch(row, after=10)
        [live] = tmp_path.iterdir()
        early = read_curves(live)
        log.finish(make_run(tmp_path / "runs", history=HISTORY))

    assert early == {
        name: [(10 + row["epoch"], row[name]) for row in HISTORY]
        for name in ("loss", "val_loss", "accuracy", "val_accuracy")
    }
    assert not live.exists()
    assert read_curves(tmp_path / "mine")["loss"] == early["loss"]


def test_log_of_a_training_that_failed_is_removed(tmp_path):
    """A training that fails leaves no log."""

    def train():
        with open_log(tmp_path, None) as log:
            log.add_epoch(HISTORY[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()

    assert list(tmp_path.iterdir()) == []


def test_log_is_replaced_with_its_run(tmp_path):
    """The log of an older run of the same name is removed; other files in the folder stay."""
    for _ in range(2):
        with open_log(tmp_path, None) as log:
            log.finish(make_run(tmp_path / "runs", replace=True))
        (tmp_path / "mine" / "notes.txt").touch()

    assert sorted(path.name.split(".")[0] for path in (tmp_path / "mine").iterdir()) == ["events", "notes"]


def test_tensorboard_is_written_without_tensorflow(tmp_path):
    """The package `tensorboard` writes the files alone: importing TensorFlow would take longer than a linear head."""
    program = """
import sys
from pathlib import Path
from pipeline.runs.tracking.tensorboard import Events
with Events(Path(sys.argv[1])) as events:
    events.add_scalars({"loss": 1.0}, 1)
    events.add_settings({"head": "ridge"})
    events.finish("mine")
print(*sys.modules)
"""
    modules = start("-c", program, tmp_path).stdout.split()

    assert "pipeline" in modules
    assert {"tensorflow", "keras"}.isdisjoint(modules)
    assert list((tmp_path / "mine").iterdir())


def test_infinite_loss_is_logged(tmp_path):
    """An infinite loss is logged as such."""
    with open_log(tmp_path, None) as log:
        log.add_epoch({"epoch": 1, "loss": math.inf})
        log.finish(make_run(tmp_path / "runs"))

    assert read_curves(tmp_path / "mine")["loss"] == [(1, math.inf)]
    assert open_run("mine", tmp_path / "runs").scores == SCORES
