"""Logs of runs, as TensorBoard and MLflow read them."""

import json
import math
from pathlib import Path

import pytest

from pipeline.errors import MissingExtraError, TrackingError
from pipeline.runs import mlflow as tracking
from pipeline.runs import tensorboard as events
from pipeline.runs.folder import NewRun, write_history
from pipeline.runs.logs import log_sweep, open_log, settings_of
from tests.cli.test_app import start

RECIPE = {"base": "vgg16", "decoder": {"size_px": 64}, "cut": "block5_pool"}
INFO = {
    "head": "ridge",
    "command": None,
    "pool": "avg",
    "seconds": 1.5,
    "data": "photos",
    "classes": ["ant", "bee"],
    "recipe": RECIPE,
    "fingerprint": "0123456789abcdef",
    "weights": "imagenet",
    "seed": 0,
    "views": None,
    "training": None,
    "chosen": {
        "alpha": 10.0,
        "candidates": [
            {"value": 10.0, "accuracy": 0.75, "loss": 0.5},
            {"value": 1.0, "accuracy": 0.5, "loss": 0.75},
        ],
    },
}
METRICS = {
    "validation": {"accuracy": 0.75, "loss": 0.5, "confusion": [[3, 1], [0, 4]]},
    "test": {"accuracy": 0.5, "loss": 1.0, "confusion": [[1, 1], [1, 1]]},
}
HISTORY = [{"epoch": 1, "loss": 0.75, "val_loss": 1.0}, {"epoch": 2, "loss": 0.5, "val_loss": 0.75}]
SCORES = {"validation/accuracy": 0.75, "validation/loss": 0.5, "test/accuracy": 0.5, "test/loss": 1.0}


def make_run(runs, name="mine", history=(), **info):
    with NewRun(runs, name, "stem") as new:
        for file in ("head.npz", "confusion.png", "predictions.csv"):
            (new.path / file).write_bytes(b"content")
        if history:
            write_history(new.path / "history.csv", history)
        return new.finish(INFO | info, METRICS)


def curves(folder):
    """What TensorBoard shows of a log: (step, value) of each curve."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    log = EventAccumulator(str(folder), {"tensors": 0}).Reload()  # 0: all points
    names = [name for name in log.Tags()["tensors"] if not name.startswith("_")]
    return {name: [(e.step, float(make_ndarray(e.tensor_proto))) for e in log.Tensors(name)] for name in names}


def settings(folder):
    """The row that TensorBoard's table of hyperparameters has for a log."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    log = EventAccumulator(str(folder)).Reload()
    content = log.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    found = metadata.parse_session_start_info_plugin_data(content).hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in found.items()}


# TensorBoard


def test_tensorboard_shows_a_linear_head(tmp_path):
    """Scores by split, the path of the regularisation from small to large, and a row of hyperparameters."""
    with open_log(tmp_path / "logs", None) as log:
        log.finish(make_run(tmp_path / "runs"))
    shown = curves(tmp_path / "logs" / "mine")

    assert {name: points for name, points in shown.items() if "/" in name and "regularisation" not in name} == {
        name: [(0, value)] for name, value in SCORES.items()
    }
    assert shown["regularisation/value"] == [(0, 1.0), (1, 10.0)]
    assert shown["regularisation/accuracy"] == [(0, 0.5), (1, 0.75)]
    assert settings(tmp_path / "logs" / "mine") == {
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
    """Before a training has ended its epochs can be read; afterwards they are found under the run's name."""
    with open_log(tmp_path, None) as log:
        for row in HISTORY:
            log.add_epoch(row, after=10)
        [live] = tmp_path.iterdir()
        early = curves(live)
        log.finish(make_run(tmp_path / "runs", history=HISTORY))

    assert early == {"loss": [(11, 0.75), (12, 0.5)], "val_loss": [(11, 1.0), (12, 0.75)]}
    assert not live.exists()
    assert curves(tmp_path / "mine")["loss"] == early["loss"]


def test_log_of_a_training_that_failed_is_removed(tmp_path):
    """A training that leaves no run leaves no log."""

    def train():
        with open_log(tmp_path, None) as log:
            log.add_epoch(HISTORY[0])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()

    assert list(tmp_path.iterdir()) == []


def test_training_whose_log_fails_goes_on_with_one_warning(tmp_path, monkeypatch, caplog):
    """A full disk, say: no epoch and no run is lost, and nothing half-written stays."""

    def fail(*_):
        raise OSError("No space left on device")

    with open_log(tmp_path / "logs", None) as log:
        monkeypatch.setattr(events.Events, "_write", fail)
        for row in HISTORY:
            log.add_epoch(row)
        log.finish(make_run(tmp_path / "runs"))

    assert caplog.messages == [
        "The training goes on, but TensorBoard's log of it could not be written: OSError: No space left on device"
    ]
    assert list((tmp_path / "logs").iterdir()) == []


def test_run_whose_log_fails_is_kept_with_a_warning(tmp_path, caplog):
    """A file stands where the run's log should be: the warning names the run, and nothing half-written stays."""
    (tmp_path / "mine").touch()
    with open_log(tmp_path, None) as log:
        log.finish(make_run(tmp_path / "runs"))
    log_sweep(tmp_path / "mine", "best", [{"head": "ridge", "settings": {}, "validation": METRICS["validation"]}])
    first, second = caplog.messages

    assert first.startswith("Run mine is saved, but TensorBoard's log of it could not be written: FileExistsError: ")
    assert second.startswith("Sweep best is saved, but TensorBoard's log of it could not be written: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "runs"]


def test_log_is_replaced_with_its_run(tmp_path):
    """The log of an older run of the same name goes; what else lies in the folder stays."""
    for _ in range(2):
        with open_log(tmp_path, None) as log:
            log.finish(make_run(tmp_path / "runs"))
        (tmp_path / "mine" / "notes.txt").touch()

    assert sorted(path.name.split(".")[0] for path in (tmp_path / "mine").iterdir()) == ["events", "notes"]


def test_tensorboard_shows_every_head_of_a_sweep(tmp_path):
    """One row of hyperparameters for each, with its scores on validation."""
    validation = METRICS["validation"]
    heads = [("dense:8,relu", {"learning_rate": 0.5}), ("ridge", {"alpha": 1.0})]
    log_sweep(tmp_path, "best", [{"head": h, "settings": s, "validation": validation} for h, s in heads])

    assert settings(tmp_path / "best-sweep" / "001") == {"head": "dense:8,relu", "learning_rate": 0.5}
    assert curves(tmp_path / "best-sweep" / "002") == {
        "validation/accuracy": [(0, 0.75)],
        "validation/loss": [(0, 0.5)],
    }


def test_tensorboard_is_written_without_tensorflow(tmp_path):
    """The package `tensorboard` alone writes the files: a linear head stays as quick as it is."""
    program = """
import sys
from pathlib import Path
from pathlib import Path
from pipeline.runs.tensorboard import Events
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


# Settings


def test_settings_of_a_dense_head_are_those_of_its_training():
    """What was chosen, with what does not apply left out; a value that is off is said."""
    info = INFO | {
        "training": {"epochs": 3, "learning_rate": 0.001, "seed": 0},
        "chosen": {},
        "cached": False,
        "views": {"count": 4, "augmentation": "r0"},
        "first_trained_layer": None,
    }

    found = settings_of(info)

    assert (found["epochs"], found["learning_rate"], found["views"], found["augmentation"]) == (3, 0.001, 4, "r0")
    assert found["cached"] is False
    assert found.keys().isdisjoint({"alpha", "first_trained_layer", "candidates"})


# MLflow

# SQLAlchemy 2.1 against a loader that MLflow 3.17 still names; nothing of ours.
quiet_sqlalchemy = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a database of MLflow, which takes seconds to be made."""
    return tmp_path_factory.mktemp("mlflow") / "kept"


@quiet_sqlalchemy
def test_mlflow_keeps_a_run_in_a_folder(tmp_path, place):
    """Parameters, scores, curves by step and the files of the run are in the database that was named, and beside it."""
    from mlflow import MlflowClient

    with open_log(None, str(place)) as log:
        log.finish(make_run(tmp_path / "runs", history=HISTORY, data="cats & dogs"))
    client = MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cats & dogs")
    [run] = client.search_runs([experiment.experiment_id])
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    losses = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "val_loss")]
    path = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "regularisation/value")]

    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")
    assert run.data.params["alpha"] == "10.0"
    assert {name: run.data.metrics[name] for name in SCORES} == SCORES
    assert sorted(losses) == [(1, 1.0), (2, 0.75)]
    assert sorted(path) == [(0, 1.0), (1, 10.0)]
    assert files == {"run.json", "metrics.json", "history.csv", "head.npz", "confusion.png"}
    assert list(place.glob("artifacts/**/head.npz"))
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


@quiet_sqlalchemy
def test_run_that_mlflow_refuses_is_kept_with_a_warning(tmp_path, place, caplog):
    """An experiment that was deleted takes no runs; the warning names run and place."""
    from mlflow import MlflowClient

    with open_log(None, str(place)) as log:
        client = MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
        client.delete_experiment(client.create_experiment("gone"))
        log.finish(make_run(tmp_path / "runs", data="gone"))
    [message] = [text for text in caplog.messages if text.startswith("Run mine")]

    assert message.startswith(f"Run mine is saved, but MLflow at {place} did not take it: MlflowException: ")


def test_server_that_does_not_answer_is_an_error_before_the_training(monkeypatch, tmp_path):
    """Nobody trains for hours to learn at the end that the server was down."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with (
        pytest.raises(TrackingError, match=r"MLflow does not answer at http://127\.0\.0\.1:9"),
        open_log(None, "http://127.0.0.1:9"),
    ):
        pytest.fail("The training began.")


def test_loss_without_bound_is_told_as_it_is(tmp_path):
    """An infinite loss is shown as one and does not stop the log."""
    with open_log(tmp_path, None) as log:
        log.add_epoch({"epoch": 1, "loss": math.inf})
        log.finish(make_run(tmp_path / "runs"))

    assert curves(tmp_path / "mine")["loss"] == [(1, math.inf)]
    assert json.loads((tmp_path / "runs" / "mine" / "metrics.json").read_text()) == METRICS


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
