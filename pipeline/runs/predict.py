"""Predictions of a run on new images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.recipe import Recipe
from pipeline.errors import DamagedStoreError
from pipeline.images.given import GivenImages, read_given
from pipeline.images.manifest import Manifest
from pipeline.images.sources.reading import Reading
from pipeline.predictions import Predictions, check_top, label_given
from pipeline.runs.abstain import check_abstain
from pipeline.runs.info import RunInfo
from pipeline.settings import Settings
from pipeline.stage_one.ensure import make_rows
from pipeline.stage_one.scan import make_reading
from pipeline.stage_two.head import Head, predict_rows
from pipeline.stage_two.novelty.detector import Detector, Novelty
from pipeline.stage_two.rows import Rows, StoredRows, stored_rows
from pipeline.tasks.targets import Outputs
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class Predicted:
    """What a head gives for the images that could be read."""

    manifest: Manifest
    """M images; the others are in its `skipped`."""

    outputs: Outputs
    """float32 (M, K): probabilities, or numbers."""

    novelty: Novelty | None = None
    """How far each image is from the training images; None if the run or the exported file cannot say."""

    @property
    def p_values(self) -> NDArray[np.float64] | None:
        """(M,), if they are known."""
        return None if self.novelty is None else self.novelty.p_values


def predict(
    head: Head,
    info: RunInfo,
    task: Task,
    images: GivenImages,
    settings: Settings,
    *,
    top: int = 5,
    reading: Reading | None = None,
    detector: Detector | None = None,
    abstain: float | None = None,
) -> Predictions:
    """Label images, from files or pixels.

    Their rows are stored too: predicting again, also with another run of the same recipe, needs no forward pass of the trunk.
    If the cache cannot be written, they are not, with a warning.

    Args:
        head: The head of the run.
        info: Features of the run.
        task: What it answers.
        images: One image or data set, or a list of them; see `pipeline.images.given.read_given`.
        settings: Cache folder and compute.
        top: Number of classes to list for each image.
        reading: How tables, archives and other data sets among the images are read.
        detector: That of the run; None: it has none.
        abstain: Images with a p-value up to this get the label `unknown`; None: none do.

    Returns:
        One row for each image, in the order given.

    Raises:
        DataNotFoundError, UnreadableImageError: No image can be read; with `strict`, one image cannot be read.
        SettingError: `top` is below 1, or `abstain` cannot be asked of the run.
    """
    check_top(top)
    check_abstain(abstain, detector, task, info.name)
    strict = settings.compute.strict
    exif = Recipe.from_dict(info.recipe).decoder.exif
    reading = reading or make_reading(settings)
    given = read_given(images, settings.paths.hashes, exif=exif, reading=reading)
    given.check(given.manifest, need_all=strict)
    done = predict_manifest(head, info, task, given.manifest, settings, detector)
    return label_given(
        given, done.manifest, done.outputs, task, top=top, strict=strict, p_values=done.p_values, abstain=abstain
    )


def predict_manifest(
    head: Head, info: RunInfo, task: Task, manifest: Manifest, settings: Settings, detector: Detector | None = None
) -> Predicted:
    """The outputs of the head for the images of a manifest; rows that are missing are made first, and stored if the cache can be written.

    Args:
        head: The head of the run.
        info: Features of the run.
        task: What it answers.
        manifest: The images.
        settings: Cache folder and compute.
        detector: That of the run; None: it has none.

    Raises:
        DamagedStoreError: An output is NaN.
    """
    recipe = Recipe.from_dict(info.recipe)
    own = settings.with_changes(base=recipe.base, weights=info.weights)
    extraction = make_rows(manifest, recipe, own, keep=False)
    if not len(extraction.manifest):
        none = None if detector is None else Novelty.unknown(0)
        return Predicted(extraction.manifest, np.empty((0, len(info.classes)), np.float32), none)
    rows = stored_rows(extraction.store, extraction.keys(), info.pool, settings.compute.memory_bytes())
    outputs, novelty = _ask(head, detector, rows)
    if not np.isfinite(outputs).all():
        raise DamagedStoreError(
            f"The head of the run {info.name!r} predicts NaN: its weights are too large for its features. Train it again."
        )
    return Predicted(extraction.manifest, task.finish(outputs), novelty)


def _ask(head: Head, detector: Detector | None, rows: Rows) -> tuple[Outputs, Novelty | None]:
    """Outputs (M, K) and novelty of M rows; those on disk are read once, in blocks."""
    if detector is None:
        return predict_rows(head, rows), None
    if not isinstance(rows, StoredRows):
        return predict_rows(head, rows), detector.judge(rows)
    done = [(positions, predict_rows(head, block), detector.judge(block)) for positions, block in rows.blocks()]
    places, outputs, novelty = zip(*done, strict=True)
    order = np.argsort(np.concatenate(places))
    joined = Novelty.joined(novelty)
    return np.concatenate(outputs)[order], Novelty(joined.distances[order], joined.p_values[order])
