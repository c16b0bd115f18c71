"""Predictions of an exported file, without its run, its cache or its base."""

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.exports.description import Description, Predict, PValues
from pipeline.exports.digests import check_known
from pipeline.exports.formats import check_exported, load_format
from pipeline.images.given import Given, GivenImages, read_given
from pipeline.images.manifest import Manifest
from pipeline.images.sources.reading import Reading
from pipeline.predictions import Predictions, decode_rows
from pipeline.runs.abstain import check_abstain, check_has_p_value
from pipeline.runs.predict import Predicted
from pipeline.runs.predictor import label_images
from pipeline.settings import Settings
from pipeline.stage_one.scan import make_reading
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
        """Label images, as a run does; with p-values if the file gives them. See `pipeline.runs.predictor.label_images`."""
        return label_images(self, images, top=top, reading=reading, abstain=abstain)

    def check_abstain(self, abstain: float | None) -> None:
        """See `Predictor`."""
        check_has_p_value(abstain, self.detector, self.path, self.description.origin.get("run"))
        check_abstain(abstain, self.detector, self.task, self.name)

    def read(self, images: GivenImages, reading: Reading | None = None) -> Given:
        """See `Predictor`: they are decoded as the description says, by the decoder that made the run's rows."""
        exif = self.description.decoder.exif
        return read_given(images, self.settings.paths.hashes, exif=exif, reading=reading or make_reading(self.settings))

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
