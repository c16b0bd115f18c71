"""Runs in MLflow."""

import pytest

from pipeline.errors import TrackingError
from pipeline.runs.tracking.logs import open_log
from tests.runs.samples import HISTORY, VALUES, make_run

# MLflow 3.17 uses a loader that SQLAlchemy 2.1 deprecates.
ignore_sqlalchemy = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A folder with a database of MLflow, shared because making it takes seconds."""
    return tmp_path_factory.mktemp("mlflow") / "kept"


@ignore_sqlalchemy
def test_mlflow_keeps_a_run_in_a_folder(tmp_path, address):
    """Parameters, scores and curves are in the database of the folder, and the files of the run beside it."""
    from mlflow import MlflowClient

    with open_log(None, str(address)) as log:
        log.finish(make_run(tmp_path / "runs", history=HISTORY, data="cats & dogs"))
    client = MlflowClient(f"sqlite:///{address / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cats & dogs")
    [run] = client.search_runs([experiment.experiment_id])
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    losses = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "val_loss")]
    path = [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "regularisation/value")]

    assert (run.info.run_name, run.info.status) == ("mine", "FINISHED")
    assert run.data.params["alpha"] == "10.0"
    assert {name: run.data.metrics[name] for name in VALUES} == VALUES
    assert sorted(losses) == [(1, 1.0), (2, 0.75)]
    assert sorted(path) == [(0, 1.0), (1, 10.0)]
    assert files == {"run.json", "metrics.json", "history.csv", "head.npz", "confusion.png"}
    assert list(address.glob("artifacts/**/head.npz"))
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


@ignore_sqlalchemy
def test_run_that_mlflow_refuses_is_kept_with_a_warning(tmp_path, address, caplog):
    """MLflow refuses runs of a deleted experiment; the warning names run and address."""
    from mlflow import MlflowClient

    with open_log(None, str(address)) as log:
        client = MlflowClient(f"sqlite:///{address / 'mlflow.db'}")
        client.delete_experiment(client.create_experiment("gone"))
        log.finish(make_run(tmp_path / "runs", data="gone"))
    [message] = [text for text in caplog.messages if text.startswith("Run mine")]

    assert message.startswith(f"Run mine is saved, but could not be logged to MLflow at {address}: MlflowException: ")


def test_server_that_does_not_answer_is_an_error_before_the_training(monkeypatch, tmp_path):
    """A server that is down is found before the training, not after it."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with (
        pytest.raises(TrackingError, match=r"MLflow does not answer at http://127\.0\.0\.1:9"),
        open_log(None, "http://127.0.0.1:9"),
    ):
        pytest.fail("The training began.")
