"""Predictions of an exported file, without its run, its cache or its base; and what predicts and is scored: such a file, or a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import SettingError
from pipeline.evidence.find import check_run, find_evidence
from pipeline.exports.description import Description, Predict, PValues
from pipeline.exports.digests import check_known
from pipeline.exports.formats import check_exported, is_exported, load_format
from pipeline.images.files.kinds import has_image_extension, is_own_folder
from pipeline.images.given import GivenImages, read_given
from pipeline.images.manifest import Manifest
from pipeline.images.scan import Data
from pipeline.images.sources.reading import Reading
from pipeline.prediction_files import PredictionFile
from pipeline.predictions import Predictions, check_top, decode_rows, label_given
from pipeline.runs.abstain import check_abstain, check_has_p_value
from pipeline.runs.evaluate import OWN_SPLITS, check_out, evaluate
from pipeline.runs.evaluation import Evaluation
from pipeline.runs.naming import check_spares
from pipeline.runs.predict import Predicted
from pipeline.runs.run import Run, load_run
from pipeline.settings import Settings
from pipeline.stage_one.scan import make_reading, scan
from pipeline.stage_two.novelty.detector import Novelty
from pipeline.surroundings import user_path
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class ExportedRun:
    """An exported file, ready to predict. It is pickled as its path: another process loads the file, with the same checks."""

    path: Path
    description: Description
    outputs: Predict
    settings: Settings = field(default_factory=Settings)
    digest: str | None = None
    """The SHA-256 that it was loaded with; None: none was given."""

    def __reduce__(self) -> tuple[Any, ...]:
        """How pickle makes it again: networks of TensorFlow and ONNX Runtime cannot be sent."""
        return partial(load_exported, digest=self.digest), (self.path.absolute(), self.settings)

    def __repr__(self) -> str:
        return f"ExportedRun({str(self.path)!r}, {len(self.classes)} classes)"

    @property
    def name(self) -> str:
        """The file, as it was named."""
        return str(self.path)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the K outputs, in their order."""
        return self.task.names

    @property
    def task(self) -> Task:
        """What it answers."""
        return self.description.task

    @property
    def detector(self) -> PValues | None:
        """What its p-values can be; None: the file gives answers alone."""
        return self.description.p_values

    def predict(
        self, images: GivenImages, *, top: int = 5, reading: Reading | None = None, abstain: float | None = None
    ) -> Predictions:
        """Label images, decoded as the description says, by the decoder that made the run's rows.

        Args:
            images: What `Run.predict` takes.
            top: How many classes to list for each.
            reading: As in `Run.predict`.
            abstain: As in `Run.predict`, of a file that was exported with p-values.

        Returns:
            What `Run.predict` returns, with p-values if the file gives them.

        Raises:
            DataNotFoundError, UnreadableImageError: No image can be read, or one cannot and `strict` is set.
            SettingError: `top` is below 1, or `abstain` cannot be asked of the file.
        """
        check_top(top)
        check_has_p_value(abstain, self.detector, self.path, self.description.origin.get("run"))
        check_abstain(abstain, self.detector, self.task, self.name)
        strict = self.settings.compute.strict
        reading = reading or make_reading(self.settings)
        given = read_given(images, self.settings.paths.hashes, exif=self.description.decoder.exif, reading=reading)
        given.check(given.manifest, need_all=strict)
        done = self.predict_manifest(given.manifest)
        return label_given(
            given,
            done.manifest,
            done.outputs,
            self.task,
            top=top,
            strict=strict,
            p_values=done.p_values,
            abstain=abstain,
        )

    def predict_manifest(self, manifest: Manifest) -> Predicted:
        """The outputs for the images of a manifest, batch after batch; what cannot be decoded is listed as skipped."""
        decoder = replace(self.description.decoder, max_pixels=self.settings.compute.max_pixels)
        num_outputs, p_values = len(self.classes), self.detector
        batches = [np.empty((0, num_outputs + bool(p_values)), np.float32)]
        unread: dict[int, str] = {}
        for start in range(0, len(manifest), self.settings.compute.batch_size):
            rows = range(start, min(start + self.settings.compute.batch_size, len(manifest)))
            pixels, reasons = decode_rows(manifest, rows, decoder)
            unread |= reasons
            if pixels:
                batches.append(self.outputs(np.stack(pixels).astype(np.float32)))
        made = np.concatenate(batches)
        novelty = Novelty(np.full(len(made), np.nan, np.float32), p_values.exact(made[:, -1])) if p_values else None
        return Predicted(manifest.without(unread), made[:, :num_outputs], novelty)

    def training_digests(self) -> frozenset[bytes]:
        """Empty: an exported file does not know its training images."""
        return frozenset()


def load_exported(path: str | Path, settings: Settings, *, digest: str | None = None) -> ExportedRun:
    """An exported file, ready to predict. Nothing is unpickled, and Keras files are loaded in safe mode.

    Args:
        path: A `.keras`, `.onnx` or `.tflite` file, or a SavedModel folder.
        settings: Folder of the runs, for the digests of SavedModels; cache folder and compute.
        digest: The SHA-256 that `export` printed. A SavedModel needs it unless the run that it was exported from is in the
            runs folder.

    Raises:
        RunNotFoundError: There is no exported file of this name.
        UnknownExportError: The file has another digest, or is a SavedModel whose digest is unknown.
        DamagedStoreError: It is not the export of a run.
        MissingExtraError: The library that runs this format is not installed.
    """
    path = user_path(path)
    check_exported(path)
    check_known(path, digest, settings.paths.runs)
    return ExportedRun(path, *load_format(path), settings, digest)


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
    if evidence is None:
        predictions = predictor.predict(images, top=top, reading=reading, abstain=abstain)
    else:
        looked = find_evidence(check_run(predictor), images, out=user_path(evidence), reading=reading)
        predictions = predictor.predict(looked.given, top=top, abstain=abstain)
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
    if isinstance(predictor, ExportedRun):
        check_has_p_value(abstain, predictor.detector, predictor.path, predictor.description.origin.get("run"))
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
