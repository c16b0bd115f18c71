"""MLflow: a run's settings, scores, curves and files, sent to a server or kept in a folder."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from pipeline.errors import MissingExtraError, TrackingError
from pipeline.runs.folder import RunFolder

_FILES = ("run.json", "metrics.json", "history.csv", "head.*", "*.png")
"""What is sent; predictions.csv, which names every photograph, stays here."""

_METRICS_A_BATCH = 1000
"""MLflow takes no more in one call."""


class Tracker:
    """A place that MLflow keeps runs in.

    Args:
        place: The address of a server, or a folder: a database and the runs' files are made in it.

    Raises:
        MissingExtraError: MLflow is not installed.
        TrackingError: It does not answer.
    """

    def __init__(self, place: str) -> None:
        if find_spec("mlflow") is None:
            raise MissingExtraError("MLflow's logs need its package: pip install 'bottleneck-pipeline[mlflow]'.")
        # It reports its use over the network unless it is told not to, and its logger says how a database is made.
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self.place, self._artifacts = place, None
        address = place
        if "://" not in place:
            folder = Path(place).absolute()
            folder.mkdir(parents=True, exist_ok=True)
            address, self._artifacts = f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts").as_uri()
        try:
            self._client = MlflowClient(tracking_uri=address)
            self._client.search_experiments(max_results=1)
        except MlflowException as error:
            raise TrackingError(f"MLflow does not answer at {place}: {error}") from error

    def send(
        self,
        run: RunFolder,
        settings: Mapping[str, str | float | bool],
        scores: Mapping[str, float],
        path: Sequence[Mapping[str, float]],
    ) -> None:
        """Make one MLflow run, in the experiment that is named after the data.

        Args:
            run: A finished run.
            settings: Its parameters.
            scores: Its metrics.
            path: Further metrics by step; beside them stands the run's history, by epoch.

        Raises:
            MlflowException: MLflow refused.
        """
        points = [(name, value, 0) for name, value in scores.items()]
        points += [(name, value, step) for step, point in enumerate(path) for name, value in point.items()]
        points += [
            (name, value, int(row["epoch"])) for row in run.history() for name, value in row.items() if name != "epoch"
        ]
        number = self._client.create_run(self._experiment(run.info.data), run_name=run.name).info.run_id
        self._send_numbers(number, settings, points)
        for file in sorted(file for pattern in _FILES for file in run.path.glob(pattern)):
            self._client.log_artifact(number, str(file))
        self._client.set_terminated(number)

    def _send_numbers(
        self, number: str, settings: Mapping[str, str | float | bool], points: Sequence[tuple[str, float, int]]
    ) -> None:
        from mlflow.entities import Metric, Param

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value, step in points]
        self._client.log_batch(number, params=[Param(name, str(value)) for name, value in settings.items()])
        for start in range(0, len(metrics), _METRICS_A_BATCH):
            self._client.log_batch(number, metrics=metrics[start : start + _METRICS_A_BATCH])

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(self._client.create_experiment(name, artifact_location=self._artifacts))
