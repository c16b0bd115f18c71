"""What is told of a run to those who watch trainings: TensorBoard, and an MLflow server or folder."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.runs.attempts import attempt
from pipeline.runs.folder import RunFolder
from pipeline.runs.info import RunInfo
from pipeline.runs.mlflow import Tracker
from pipeline.runs.tensorboard import Events
from pipeline.stage_two.metrics import Scores

Setting = str | float | bool


@dataclass
class Log:
    """Where one training is told of; either place may be missing. What fails is a warning."""

    events: Events | None = None
    tracker: Tracker | None = None

    def add_epoch(self, row: Mapping[str, float], *, after: int = 0) -> None:
        """Show an epoch while the training goes on; `after` so many of an earlier phase."""
        if self.events:
            values = {name: value for name, value in row.items() if name != "epoch"}
            what = "The training goes on, but TensorBoard's log of it could not be written"
            if not attempt(what, self.events.add_scalars, values, after + int(row["epoch"])):
                self.events = None  # one warning, not one an epoch

    def finish(self, run: RunFolder) -> None:
        """Tell of the finished run: settings, scores by split, and the path of its regularisation."""
        if self.events:
            what = f"Run {run.name} is saved, but TensorBoard's log of it could not be written"
            attempt(what, _finish_events, self.events, run)
        if self.tracker:
            what = f"Run {run.name} is saved, but MLflow at {self.tracker.place} did not take it"
            attempt(what, _send, self.tracker, run)


def _finish_events(events: Events, run: RunFolder) -> None:
    events.add_settings(settings_of(run.info))
    events.add_scalars(scores_of(run.scores), step=0)
    for step, point in enumerate(path_of(run.info)):
        events.add_scalars(point, step)
    events.finish(run.name)


def _send(tracker: Tracker, run: RunFolder) -> None:
    tracker.send(run, settings_of(run.info), scores_of(run.scores), path_of(run.info))


@contextlib.contextmanager
def open_log(tensorboard: Path | None, mlflow: str | None) -> Iterator[Log]:
    """The log of one training. What is missing to write it is an error now, not after hours.

    Args:
        tensorboard: Folder that TensorBoard is pointed at; a run's log is a folder of its name in it.
        mlflow: A tracking server's address, or a folder.

    Raises:
        MissingExtraError: The package of one of them is not installed.
        TrackingError: MLflow cannot be reached.
    """
    tracker = Tracker(mlflow) if mlflow else None
    with Events(tensorboard) if tensorboard else contextlib.nullcontext() as events:
        yield Log(events, tracker)


def log_sweep(tensorboard: Path, name: str, results: Sequence[Mapping[str, Any]]) -> None:
    """One row of TensorBoard's table of hyperparameters for each head of a sweep, in folders below that of its name."""
    what = f"Sweep {name} is saved, but TensorBoard's log of it could not be written"
    attempt(what, _log_sweep, tensorboard, name, results)


def _log_sweep(tensorboard: Path, name: str, results: Sequence[Mapping[str, Any]]) -> None:
    for number, result in enumerate(results, start=1):
        with Events(tensorboard) as events:
            events.add_settings({"head": result["head"], **result["settings"]})
            events.add_scalars(
                {f"validation/{name}": float(result["validation"][name]) for name in ("accuracy", "loss")}, step=0
            )
            events.finish(f"{name}-sweep/{number:03d}")


def settings_of(info: RunInfo) -> dict[str, Setting]:
    """What a run was made with, by one name each; what does not apply is left out."""
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
    """`validation/accuracy` and so on."""
    return {
        f"{split}/{name}": float(getattr(values, name))
        for split, values in scores.items()
        for name in ("accuracy", "loss")
    }


def path_of(info: RunInfo) -> list[dict[str, float]]:
    """The values of a linear head's regularisation that were tried, from small to large, and how each did on validation."""
    points = sorted(info.chosen.get("candidates", ()), key=lambda point: float(point["value"]))
    return [{f"regularisation/{name}": value for name, value in point.items()} for point in points]
