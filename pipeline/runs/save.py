"""Saving a trained head as a run: the folder is written, plots are drawn, and the run is logged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.runs.folder import NewRun, save_arrays, write_history, write_predictions
from pipeline.runs.info import TrainingFacts, describe_run
from pipeline.runs.logs import Log
from pipeline.runs.plots import draw_run
from pipeline.runs.run import Run
from pipeline.settings import Settings
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_two.head import Head, ScoredTask


@dataclass(frozen=True)
class TrainedHead:
    """A head after its training, complete for a run."""

    head: Head
    scored: ScoredTask
    """Its predictions for all splits."""

    history: Sequence[dict[str, float]]
    """One entry per epoch; empty for linear heads."""

    facts: TrainingFacts
    extraction: Extraction
    """The rows that it was trained on."""


def save_run(
    trained: TrainedHead, log: Log, settings: Settings, *, name: str | None, replace: bool = False, plots: bool
) -> Run:
    """Save a head with its predictions and all that is needed to predict with it.

    Args:
        trained: The head.
        log: TensorBoard and MLflow.
        settings: Folder of the runs; the run predicts with these settings.
        name: The run's name; None: made from data, base and head.
        replace: Replace an existing run of that name.
        plots: Draw learning curves and confusion matrix.
    """
    task, probabilities = trained.scored.task, trained.scored.probabilities
    images = {split: len(part) for split, part in task.splits.items()}
    info = describe_run(trained.facts, trained.extraction, images, settings.features.weights)
    kind = info.head.split(":")[0].split(",")[0]
    with NewRun(settings.paths.runs, name, f"{info.data}-{info.recipe['base']}-{kind}", replace=replace) as new:
        _save_head(trained.head, new.path)
        if trained.history:
            write_history(new.path / "history.csv", trained.history)
        rows = (
            (image, split, task.classes[label], digest, p)
            for split, part in task.splits.items()
            for image, label, digest, p in zip(part.names, part.y, part.digests, probabilities[split], strict=True)
        )
        write_predictions(new.path / "predictions.csv", rows, task.classes)
        folder = new.finish(info, trained.scored.scores)
    if plots:
        draw_run(folder)
    log.finish(folder)
    return Run(folder, trained.head, settings)


def _save_head(head: Head, folder: Path) -> None:
    arrays = getattr(head, "arrays", None)
    if arrays is not None:
        save_arrays(folder / "head.npz", arrays())
        return
    from pipeline.stage_two.dense.build import DenseHead, save_dense

    if isinstance(head, DenseHead):
        save_dense(head, folder / "head.keras")
