"""MLflow: settings, scores, curves and files of a run, sent to a server or kept in a folder."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from pipeline.errors import MissingExtraError, TrackingError
from pipeline.runs.folder import RunFolder

_FILES = ("run.json", "metrics.json", "history.csv", "head.*", "*.png")
"""The files that are sent. predictions.csv is not: it contains the name of every image."""

_BATCH_METRICS = 1000
"""MLflow accepts at most this number of metrics in one call."""


class Tracker:
    """A server or folder that MLflow keeps runs in.

    Args:
        address: The address of a server, or a folder; a database and the files of the runs are written into the folder.

    Raises:
        MissingExtraError: MLflow is not installed.
        TrackingError: The server does not answer.
    """

    def __init__(self, address: str) -> None:
        if find_spec("mlflow") is None:
            raise MissingExtraError("MLflow's logs need its package: pip install 'bottleneck-pipeline[mlflow]'.")
        # MLflow reports its use over the network unless this is set, and logs each step of making a database.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self.address, self._artifacts = address, None
        uri = address
        if "://" not in address:
            folder = Path(address).absolute()
            folder.mkdir(parents=True, exist_ok=True)
            uri, self._artifacts = f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()
        try:
            self._client = MlflowClient(tracking_uri=uri)
            self._client.search_experiments(max_results=1)
        except MlflowException as error:
            raise TrackingError(f"MLflow does not answer at {address}: {error}") from error

    def send(
        self,
        run: RunFolder,
        settings: Mapping[str, str | float | bool],
        scores: Mapping[str, float],
        candidates: Sequence[Mapping[str, float]],
    ) -> None:
        """Log a run as one MLflow run, in the experiment that has the name of the data.

        Args:
            run: A finished run.
            settings: Its parameters.
            scores: Its metrics.
            candidates: Further metrics by step. The history of the run is logged by epoch.

        Raises:
            MlflowException: MLflow refused the run.
        """
        points = [(name, value, 0) for name, value in scores.items()]
        points += [(name, value, step) for step, point in enumerate(candidates) for name, value in point.items()]
        points += [
            (name, value, int(row["epoch"])) for row in run.history() for name, value in row.items() if name != "epoch"
        ]
        run_id = self._client.create_run(self._experiment(run.info.data), run_name=run.name).info.run_id
        self._send_values(run_id, settings, points)
        for file in sorted(file for pattern in _FILES for file in run.path.glob(pattern)):
            self._client.log_artifact(run_id, str(file))
        self._client.set_terminated(run_id)

    def _send_values(
        self, run_id: str, settings: Mapping[str, str | float | bool], points: Sequence[tuple[str, float, int]]
    ) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value, step in points]
        self._client.log_batch(run_id, params=[Param(name, str(value)) for name, value in settings.items()])
        for start in range(0, len(metrics), _BATCH_METRICS):
            self._client.log_batch(run_id, metrics=metrics[start : start + _BATCH_METRICS])

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(name, artifact_location=self._artifacts))
