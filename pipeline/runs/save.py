"""Saving a trained head as a run: the folder is written, plots are drawn, and the run is logged."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import PipelineError, UnsavedRunError
from pipeline.runs.folder import NOVELTY, NewRun, RunFolder, save_arrays, write_history, write_predictions
from pipeline.runs.info import TrainingFacts, describe_run
from pipeline.runs.plots.plots import draw_run
from pipeline.runs.run import Run
from pipeline.runs.saving import Saving
from pipeline.runs.tables import write_table
from pipeline.runs.tracking.logs import Log
from pipeline.settings import Settings
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_two.folds import FoldScores
from pipeline.stage_two.head import Head, ScoredRows
from pipeline.stage_two.novelty.detector import Novelty
from pipeline.stage_two.novelty.fit import FittedDetector, fit_detector
from pipeline.stage_two.rows import LabelledRows

_FOLD_COLUMNS = ("path", "label", "predicted", "probability", "fold")
"""Of folds.csv: each training and validation image, predicted by a head that has not seen it."""

_GROUP_COLUMNS = ("path", "sha256", "group")
"""Of groups.csv, in the order of predictions.csv; only where the images have groups, which folds keep together."""


@dataclass(frozen=True)
class TrainedHead:
    """A head after its training, complete for a run."""

    head: Head
    scored: ScoredRows
    """Its predictions for all splits."""

    history: Sequence[dict[str, float]]
    """One entry per epoch; empty for linear heads."""

    facts: TrainingFacts
    extraction: Extraction
    """The rows that it was trained on."""

    folds: FoldScores | None = None
    """Of a cross-validation."""


def save_run(trained: TrainedHead, log: Log, settings: Settings, saving: Saving) -> Run:
    """Save a head with its predictions and all that is needed to predict with it.

    Args:
        trained: The head.
        log: TensorBoard and MLflow.
        settings: Folder of the runs; the run predicts with these settings.
        saving: Name, plots and further files; its command is in `trained.facts`.

    Raises:
        UnsavedRunError: The folder of the runs cannot be written to; the run was kept elsewhere, where the message says.
    """
    fitted = fit_detector(trained.scored.labelled)
    try:
        folder = _write(trained, fitted, settings, settings.paths.runs, saving)
    except OSError as error:
        if isinstance(error, PipelineError):
            raise
        raise _keep_elsewhere(trained, fitted, settings, saving.name, error) from error
    if saving.plots:
        splits, outputs = trained.scored.labelled.splits, trained.scored.outputs
        draw_run(folder, {name: (outputs[name], part.y) for name, part in splits.items()})
    log.finish(folder)
    return Run(folder, trained.head, settings)


def _keep_elsewhere(
    trained: TrainedHead, fitted: FittedDetector, settings: Settings, name: str | None, error: OSError
) -> OSError:
    """Write a run to the system's temporary folder, and return the error that says so; the original error if that fails too."""
    try:
        kept = _write(trained, fitted, settings, Path(tempfile.mkdtemp(prefix="bottleneck-run-")), Saving(name))
    except OSError:
        return error
    return UnsavedRunError(
        f"The training is finished, but the run cannot be written to {settings.paths.runs}: {error.strerror or error}. It was kept as {kept.path}. Move "
        f"that folder to {settings.paths.runs} when the cause is gone, or use it where it is: `bottleneck predict {kept.path} IMAGES`."
    )


def _write(trained: TrainedHead, fitted: FittedDetector, settings: Settings, runs: Path, saving: Saving) -> RunFolder:
    """Write all files of a run."""
    labelled, outputs = trained.scored.labelled, trained.scored.outputs
    images = {split: len(part) for split, part in labelled.splits.items()}
    info = describe_run(
        trained.facts,
        trained.extraction,
        labelled.task,
        images,
        settings.features.weights,
        trained.scored.calibration,
        fitted.as_dict(),
    )
    kind = info.head.split(":")[0].split(",")[0]
    stem = f"{info.data}-{info.recipe['base']}-{kind}"
    with NewRun(runs, saving.name, stem, replace=saving.replace) as new:
        _save_head(trained.head, new.path)
        save_arrays(new.path / NOVELTY, fitted.detector.arrays())
        if trained.history:
            write_history(new.path / "history.csv", trained.history)
        rows = (
            (image, split, labelled.task.text(target), digest, output)
            for split, part in labelled.splits.items()
            for image, target, digest, output in zip(part.names, part.y, part.digests, outputs[split], strict=True)
        )
        novelty = Novelty.joined([fitted.novelty[split] for split in labelled.splits])
        write_predictions(new.path / "predictions.csv", rows, labelled.task, novelty)
        if trained.folds:
            write_table(new.path / "folds.csv", _FOLD_COLUMNS, trained.folds.rows)
        if any(part.groups for part in labelled.splits.values()):
            write_table(new.path / "groups.csv", _GROUP_COLUMNS, _group_lines(labelled))
        if saving.attach is not None:
            saving.attach(new.path)
        return new.finish(info, trained.scored.scores)


def _group_lines(labelled: LabelledRows) -> Iterator[tuple[str, str, str]]:
    for part in labelled.splits.values():
        for name, digest, group in zip(part.names, part.digests, part.groups or (None,) * len(part), strict=True):
            yield name, digest.hex(), group or ""


def _save_head(head: Head, folder: Path) -> None:
    arrays = getattr(head, "arrays", None)
    if arrays is not None:
        save_arrays(folder / "head.npz", arrays())
        return
    from pipeline.stage_two.dense.build import DenseHead, save_dense

    if isinstance(head, DenseHead):
        save_dense(head, folder / "head.keras")
