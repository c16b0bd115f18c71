"""Predictions and scores of whatever predicts: a run, or an exported file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import SettingError
from pipeline.evidence.find import check_run, find_evidence
from pipeline.exports.formats import is_exported
from pipeline.exports.load import ExportedRun, load_exported
from pipeline.images.files.kinds import has_image_extension, is_own_folder
from pipeline.images.given import GivenImages
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.images.sources.reading import Reading
from pipeline.prediction_files import PredictionFile
from pipeline.predictions import Predictions
from pipeline.runs.evaluate import OWN_SPLITS, check_out, evaluate
from pipeline.runs.evaluation import Evaluation
from pipeline.runs.naming import check_spares
from pipeline.runs.predictor import check_asked
from pipeline.runs.run import Run, load_run
from pipeline.settings import Settings
from pipeline.stage_one.scan import scan
from pipeline.surroundings import user_path


def load_predictor(name: str | Path, settings: Settings, *, digest: str | None = None) -> ExportedRun | Run:
    """What predicts: an exported file, or a run by its name or folder.

    Raises:
        SettingError: A digest for a run, which has none.
    """
    if is_exported(user_path(name)):
        return load_exported(name, settings, digest=digest)
    if digest is not None:
        raise SettingError(f"A digest is that of an exported file, and {name} is not one. Leave out --digest.")
    return load_run(name, settings)


def predict_images(
    run: str | Path | Run,
    images: GivenImages,
    settings: Settings,
    reading: Reading | None = None,
    *,
    top: int = 5,
    digest: str | None = None,
    out: str | Path | None = None,
    evidence: str | Path | None = None,
    abstain: float | None = None,
) -> Predictions:
    """Label images with a run or an exported file, and write a file of the predictions if one is named.

    Args:
        run: A run, its name or folder, or an exported file.
        images: What `Run.predict` takes.
        settings: Of `load_predictor`; a `Run` keeps its own.
        reading: As in `Run.predict`.
        top: Number of classes to list for each image.
        digest: Of `load_predictor`.
        out: The file; it is checked before the work.
        evidence: Folder for overlays of where a run looked; see `pipeline.evidence`.
        abstain: As in `Run.predict`.

    Raises:
        SettingError: Evidence of an exported file, or of a run whose rows come from no grid; or its folder cannot be written.
    """
    file = PredictionFile.of(out)
    if file is not None:
        check_spares(file.path, "--out", images)
    predictor = run if isinstance(run, Run) else load_predictor(run, settings, digest=digest)
    check_asked(predictor, top, abstain)
    given = predictor.read(images, reading)
    looked = None if evidence is None else find_evidence(check_run(predictor), given, out=user_path(evidence))
    predictions = predictor.predict(given, top=top, abstain=abstain)
    if looked is not None:
        predictions = predictions.with_overlays(looked.overlays, looked.finer)
    if file is not None:
        file.write(predictions)
    return predictions


def evaluate_data(
    run: str | Path | Run,
    data: Data | Manifest,
    settings: Settings,
    read: Mapping[str, Any],
    *,
    split: str | None = None,
    digest: str | None = None,
    out: str | Path | None = None,
    abstain: float | None = None,
) -> Evaluation:
    """Score a run or an exported file on labelled data.

    Args:
        run: A run, its name or folder, or an exported file.
        data: What `pipeline.stage_one.scan.scan` takes.
        settings: Of `load_predictor`, and for the scan; a `Run` predicts with its own.
        read: Keywords of the scan.
        split: Of `pipeline.runs.evaluate.evaluate`.
        digest: Of `load_predictor`.
        out: Folder of the results; it is checked before the work.
        abstain: Of `pipeline.runs.evaluate.evaluate`.

    Raises:
        SettingError: The results would be among the images.
    """
    folder = None if out is None else user_path(out)
    if folder is not None:
        _check_not_among(folder, data)
        check_out(folder)
        check_spares(folder / "predictions.csv", "--out")
    predictor = run if isinstance(run, Run) else load_predictor(run, settings, digest=digest)
    own = {"task": predictor.task.kind, "answer_names": _answer_names(predictor)}
    predictor.check_abstain(abstain)
    manifest = scan(data, settings, **{**own, **read, "split": OWN_SPLITS})
    shown = str(data) if isinstance(data, str | Path) else None
    strict = settings.compute.strict
    return evaluate(predictor, manifest, split=split, out=folder, strict=strict, shown=shown, abstain=abstain)


def _check_not_among(folder: Path, data: Data | Manifest) -> None:
    """Raise SettingError if a folder for results is the data's own, or has images of it: plots would be taken for images."""
    root = user_path(data).resolve() if isinstance(data, str | Path) else None
    own = folder.resolve()
    has_images = own.is_dir() and any(has_image_extension(path.name) or path.is_dir() for path in own.iterdir())
    is_among = own == root or (has_images and own.is_relative_to(root or own) and not is_own_folder(str(own)))
    if root is not None and root.is_dir() and is_among:
        raise SettingError(
            f"{folder} is a folder of the images, and the plots in it would be taken for images. Choose a new folder for --out, such as "
            f"{folder.name or root.name}-evaluation."
        )


def _answer_names(predictor: ExportedRun | Run) -> tuple[str, ...]:
    """Columns that have the labels, if the data has them: the run's own, or those of its numbers or labels."""
    if isinstance(predictor, Run) and predictor.info.label_column:
        return tuple(predictor.info.label_column.split(","))
    return predictor.task.column_names
