"""The outputs of a head for images: their rows from the cache, and those that are missing made."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.recipe import Recipe
from pipeline.errors import DamagedStoreError
from pipeline.images.manifest import Manifest
from pipeline.runs.info import RunInfo
from pipeline.settings import Settings
from pipeline.stage_one.ensure import make_rows
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


def predict_manifest(
    head: Head, info: RunInfo, task: Task, manifest: Manifest, settings: Settings, detector: Detector | None = None
) -> Predicted:
    """The outputs of the head for the images of a manifest; rows that are missing are made first.

    They are stored too: predicting again, also with another run of the same recipe, needs no forward pass of the trunk. If the cache
    cannot be written, they are not, with a warning.

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
