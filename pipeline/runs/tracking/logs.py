"""Logging of trainings to TensorBoard, and to an MLflow server or folder."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.runs.attempts import attempt
from pipeline.runs.folder import RunFolder
from pipeline.runs.info import RunInfo
from pipeline.runs.tracking.mlflow import Tracker
from pipeline.runs.tracking.tensorboard import Events
from pipeline.tasks.scores import BriefScores, Scores

Setting = str | float | bool


@dataclass
class Log:
    """The logs of one training; each of them may be None. An error while logging is a warning."""

    events: Events | None = None
    tracker: Tracker | None = None

    def add_epoch(self, row: Mapping[str, float], *, after: int = 0) -> None:
        """Log an epoch during the training.

        Args:
            row: The values of the epoch.
            after: Number of epochs in earlier phases.
        """
        if self.events:
            values = {name: value for name, value in row.items() if name != "epoch"}
            what = "The training continues, but its TensorBoard log could not be written"
            if not attempt(what, self.events.add_scalars, values, after + int(row["epoch"])):
                self.events = None  # one warning, not one per epoch

    def finish(self, run: RunFolder) -> None:
        """Log the finished run: settings, scores by split, and the scores of each value of its regularisation."""
        if self.events:
            what = f"Run {run.name} is saved, but its TensorBoard log could not be written"
            attempt(what, _finish_events, self.events, run)
        if self.tracker:
            what = f"Run {run.name} is saved, but could not be logged to MLflow at {self.tracker.address}"
            attempt(what, _send, self.tracker, run)


def _finish_events(events: Events, run: RunFolder) -> None:
    events.add_settings(settings_of(run.info))
    events.add_scalars(scores_of(run.scores), step=0)
    for step, point in enumerate(candidates_of(run.info)):
        events.add_scalars(point, step)
    events.finish(run.name)


def _send(tracker: Tracker, run: RunFolder) -> None:
    tracker.send(run, settings_of(run.info), scores_of(run.scores), candidates_of(run.info))


@contextlib.contextmanager
def open_log(tensorboard: Path | None, mlflow: str | None) -> Iterator[Log]:
    """The log of one training. A missing package or server is an error before the training, not after it.

    Args:
        tensorboard: The folder that TensorBoard reads; the log of a run is a subfolder with the name of the run.
        mlflow: The address of a tracking server, or a folder.

    Raises:
        MissingExtraError: The package of one of them is not installed.
        TrackingError: MLflow cannot be reached.
    """
    tracker = Tracker(mlflow) if mlflow else None
    with Events(tensorboard) if tensorboard else contextlib.nullcontext() as events:
        yield Log(events, tracker)


def log_sweep(tensorboard: Path, name: str, results: Sequence[Mapping[str, Any]]) -> None:
    """Log each head of a sweep as one row of TensorBoard's hyperparameter table.

    Args:
        tensorboard: The folder that TensorBoard reads; the logs are in `<name>-sweep/001` and so on below it.
        name: Name of the best head's run.
        results: As in `SweepResult.results`.
    """
    what = f"Sweep {name} is saved, but its TensorBoard log could not be written"
    attempt(what, _log_sweep, tensorboard, name, results)


def _log_sweep(tensorboard: Path, name: str, results: Sequence[Mapping[str, Any]]) -> None:
    for number, result in enumerate(results, start=1):
        with Events(tensorboard) as events:
            events.add_settings({"head": result["head"], **result["settings"]})
            scores = BriefScores.from_dict(result["validation"])
            events.add_scalars({f"validation/{scores.name}": scores.main, "validation/loss": scores.loss}, step=0)
            events.finish(f"{name}-sweep/{number:03d}")


def settings_of(info: RunInfo) -> dict[str, Setting]:
    """The hyperparameters of a run by name; those that do not apply are left out."""
    recipe, views = info.recipe, info.views or {}
    values = {
        **{
            name: getattr(info, name)
            for name in ("data", "head", "pool", "seed", "regime", "cached", "first_trained_layer")
        },
        "base": recipe["base"],
        "size": recipe["decoder"]["size_px"],
        "cut": recipe["cut"],
        "fingerprint": info.fingerprint[:12],
        "views": views.get("count"),
        "augmentation": views.get("augmentation") or info.augmentation,
        **(info.training or {}),
        **{name: value for name, value in info.chosen.items() if name != "candidates"},
    }
    return {name: value for name, value in values.items() if value is not None}


def scores_of(scores: Mapping[str, Scores]) -> dict[str, float]:
    """The main score and the loss of each split: `validation/accuracy`, `validation/loss` and so on."""
    return {
        f"{split}/{name}": float(value)
        for split, values in scores.items()
        for name, value in ((values.main_name, values.main), ("loss", values.loss))
    }


def candidates_of(info: RunInfo) -> list[dict[str, float]]:
    """The candidate values of a linear head's regularisation in ascending order, with their validation scores."""
    points = sorted(info.chosen.get("candidates", ()), key=lambda point: float(point["value"]))
    return [{f"regularisation/{name}": value for name, value in point.items()} for point in points]
