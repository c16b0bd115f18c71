"""Runs that are written without a training."""

from pathlib import Path
from typing import Any

from pipeline.runs.folder import NewRun, RunFolder, write_history
from pipeline.runs.info import RunInfo
from pipeline.tasks.class_scores import ClassScores

INFO: dict[str, Any] = {
    "head": "ridge",
    "pool": "avg",
    "seconds": 1.5,
    "data": "photos",
    "classes": ("ant", "bee"),
    "recipe": {"base": "vgg16", "decoder": {"size_px": 64}, "cut": "block5_pool"},
    "fingerprint": "0123456789abcdef",
    "weights": "imagenet",
    "created": "2026-11-23T05:33:19+00:00",
    "chosen": {
        "alpha": 10.0,
        "candidates": [
            {"value": 10.0, "accuracy": 0.75, "loss": 0.5},
            {"value": 1.0, "accuracy": 0.5, "loss": 0.75},
        ],
    },
}
HEADS = {
    "linear": ("logreg:C=0.01", "avg"),
    "neighbours": ("knn:k=3", "none"),
    "dense": ("batchnorm,dense:8,relu", "none"),
}
"""One head of each kind, and its pooling."""

HISTORY = [
    {"epoch": 1, "loss": 0.75, "val_loss": 1.0, "accuracy": 0.5, "val_accuracy": 0.25},
    {"epoch": 2, "loss": 0.5, "val_loss": 0.75, "accuracy": 0.75, "val_accuracy": 0.5},
]


def make_info(**changes: Any) -> RunInfo:
    """The info of a linear head."""
    return RunInfo(**INFO | changes)


def make_scores(
    confusion: list[list[int]], loss: float = 0.5, classes: tuple[str, str] = ("ant", "bee")
) -> ClassScores:
    """Scores of two classes with this confusion matrix."""
    n = sum(map(sum, confusion))
    accuracy = (confusion[0][0] + confusion[1][1]) / n
    shares = dict.fromkeys(classes, accuracy)
    return ClassScores(
        accuracy=accuracy,
        ci95=(accuracy - 0.25, accuracy + 0.125),
        loss=loss,
        n=n,
        macro_f1=accuracy,
        recall=shares,
        precision=shares,
        confusion=confusion,
    )


SCORES = {"validation": make_scores([[3, 1], [1, 3]]), "test": make_scores([[1, 1], [1, 1]], loss=1.0)}

VALUES = {"validation/accuracy": 0.75, "validation/loss": 0.5, "test/accuracy": 0.5, "test/loss": 1.0}
"""The same as TensorBoard and MLflow show them."""


def make_run(
    runs: Path, name: str | None = "mine", *, stem: str = "stem", replace: bool = False, history: Any = (), **info: Any
) -> RunFolder:
    """A finished run whose head and plot are no real files."""
    with NewRun(runs, name, stem, replace=replace) as new:
        for file in ("head.npz", "confusion.png", "predictions.csv"):
            (new.path / file).write_bytes(b"content")
        if history:
            write_history(new.path / "history.csv", history)
        return new.finish(make_info(**info), SCORES)


def read_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The curves that TensorBoard reads from a log: (step, value) of each point."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    log = EventAccumulator(str(folder), {"tensors": 0}).Reload()  # 0: all points
    names = [name for name in log.Tags()["tensors"] if not name.startswith("_")]
    return {name: [(e.step, float(make_ndarray(e.tensor_proto))) for e in log.Tensors(name)] for name in names}


def read_hyperparameters(folder: Path) -> dict[str, Any]:
    """The hyperparameters that TensorBoard reads from a log."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    log = EventAccumulator(str(folder)).Reload()
    content = log.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    found = metadata.parse_session_start_info_plugin_data(content).hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in found.items()}
