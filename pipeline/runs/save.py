"""Saving a trained head as a run: all splits are scored, the folder is written, plots are drawn, and the run is logged."""

from pathlib import Path

from pipeline.runs.folder import NewRun, save_arrays, write_history, write_predictions
from pipeline.runs.info import RunInfo
from pipeline.runs.logs import Log
from pipeline.runs.plots import draw_run
from pipeline.runs.run import Run
from pipeline.settings import Settings
from pipeline.stage_two.head import Head, predict_split
from pipeline.stage_two.metrics import score
from pipeline.stage_two.rows import Task


def save_run(
    head: Head,
    task: Task,
    history: list[dict[str, float]],
    info: RunInfo,
    log: Log,
    settings: Settings,
    *,
    name: str | None,
    plots: bool,
) -> Run:
    """Score all splits, and save the head with all that is needed to predict.

    Args:
        head: The trained head.
        task: Its rows and labels.
        history: One entry per epoch; empty for linear heads.
        info: How the head was trained.
        log: TensorBoard and MLflow.
        settings: Folder of the runs; the run predicts with these settings.
        name: The run's name; None: made from data, base and head. An existing run of that name is replaced.
        plots: Draw learning curves and confusion matrix.
    """
    with_tta = bool(info.views and info.views["tta"])
    probabilities = {
        split: predict_split(head, part, tta=with_tta and split != "train") for split, part in task.splits.items()
    }
    scores = {split: score(p, task.splits[split].y, task.classes) for split, p in probabilities.items()}
    kind = info.head.split(":")[0].split(",")[0]
    with NewRun(settings.paths.runs, name, f"{info.data}-{info.recipe['base']}-{kind}") as new:
        _save_head(head, new.path)
        if history:
            write_history(new.path / "history.csv", history)
        rows = (
            (image, split, task.classes[label], digest, p)
            for split, part in task.splits.items()
            for image, label, digest, p in zip(part.names, part.y, part.digests, probabilities[split], strict=True)
        )
        write_predictions(new.path / "predictions.csv", rows, task.classes)
        folder = new.finish(info, scores)
    if plots:
        draw_run(folder)
    log.finish(folder)
    return Run(folder, head, settings)


def _save_head(head: Head, folder: Path) -> None:
    arrays = getattr(head, "arrays", None)
    if arrays is not None:
        save_arrays(folder / "head.npz", arrays())
        return
    from pipeline.stage_two.dense.build import DenseHead, save_dense

    if isinstance(head, DenseHead):
        save_dense(head, folder / "head.keras")
