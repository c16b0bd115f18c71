"""The detector of a run: centres of its training rows, and the distances of its validation images.

256 training rows, drawn at random, each become the mean direction of the training rows that are nearest to them: the first step of spherical
k-means (Dhillon & Modha 2001, Machine Learning 42). Labels, weights and views are not used, so it is the same for every task and head.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.pooling import pool_rows
from pipeline.stage_two.linear.heads import unit_rows
from pipeline.stage_two.novelty.detector import Array, Detector, Novelty, distances_to
from pipeline.stage_two.rows import LabelledRows, Rows, StoredRows

NUM_CENTRES = 256
MAX_TRAINING = 2048
"""Training rows that the centres are made of; of more, a sample."""

MAX_JUDGED = 4096
"""Validation and test images that are judged when a run is saved; of more, a sample of each."""

LEVEL = 0.05
"""The p-value at which a run counts its refused images."""

_CHUNK = 256
"""Rows that are in memory before they are averaged over the grid."""

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class FittedDetector:
    """A detector, and its results for the run's own images."""

    detector: Detector
    novelty: Mapping[str, Novelty]
    """By split. Training images are not judged, since the centres are made of them; a validation image has its p-value among the others."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for run.json: numbers of centres and of validation images, and the share of test images refused at a level."""
        test = self.novelty.get("test")
        known = np.empty(0) if test is None else test.p_values[~np.isnan(test.p_values)]
        return {
            "centres": len(self.detector.centres),
            "validation": len(self.detector.calibration),
            "level": LEVEL,
            "refused": {"test": float((known <= LEVEL).mean())} if len(known) else {},
        }


def fit_detector(labelled: LabelledRows) -> FittedDetector:
    """Fit the detector of a run to its training rows, and calibrate it on its validation images.

    Args:
        labelled: The rows of all splits; of views only view 0. Those that are on disk are read in parts.
    """
    from threadpoolctl import threadpool_limits

    # The same bits on any number of cores; and float16 has no place for the smallest values.
    with threadpool_limits(1, user_api="blas"), np.errstate(under="ignore"):
        centres = find_centres(_sample(labelled.train.X, MAX_TRAINING)[1]).astype(np.float16)
        judged = {name: _judge(centres, part.X) for name, part in labelled.splits.items() if name != "train"}
    known = {name: distances[~np.isnan(distances)] for name, distances in judged.items()}
    detector = Detector(centres, np.sort(known["validation"]))
    novelty = {name: Novelty(distances, detector.p_values(distances)) for name, distances in judged.items()}
    novelty["validation"] = _without_itself(detector, judged["validation"])
    novelty = {name: _only_judged(each) for name, each in novelty.items()}
    return FittedDetector(detector, {"train": Novelty.unknown(len(labelled.train)), **novelty})


def find_centres(units: Array) -> Array:
    """Centres of rows of length 1 (N, D), (M, D), of length 1; all rows if there are not more than `NUM_CENTRES`."""
    if len(units) <= NUM_CENTRES:
        return units
    seeds = units[np.random.default_rng(0).choice(len(units), NUM_CENTRES, replace=False)]
    nearest = (units @ seeds.T).argmax(axis=1)
    order = np.argsort(nearest, kind="stable")
    starts = np.flatnonzero(np.diff(nearest[order], prepend=-1))
    return unit_rows(np.add.reduceat(units[order], starts, axis=0))


def _judge(centres: NDArray[np.float16], rows: Rows) -> Array:
    """The distance of each image, or of a sample of many; NaN for the others, (N,)."""
    positions, units = _sample(rows, MAX_JUDGED)
    distances = np.full(len(rows), np.nan, np.float32)
    distances[positions] = distances_to(centres, units)
    return distances


def _without_itself(detector: Detector, distances: Array) -> Novelty:
    """Of validation images: the p-value among the other n - 1, in which the image counts once."""
    n = len(detector.calibration)
    return Novelty(distances, detector.p_values(distances) * (n + 1) / n - 1 / n)


def _only_judged(novelty: Novelty) -> Novelty:
    return Novelty(novelty.distances, np.where(np.isnan(novelty.distances), np.nan, novelty.p_values))


def _sample(rows: Rows, at_most: int) -> tuple[Positions, Array]:
    """Positions of all rows or of a sample of them, and these rows averaged over the grid and divided by their length, (n, D)."""
    positions = np.arange(len(rows))
    if len(rows) > at_most:
        positions = np.sort(np.random.default_rng(0).choice(positions, at_most, replace=False))
    chunk = _CHUNK
    if isinstance(rows, StoredRows):  # each shard is read from once, and no more rows at once than are allowed
        chunk = min(_CHUNK, rows.block_rows)
        positions = positions[np.argsort(rows.store.shard_of(rows.keys[positions]), kind="stable")]
    parts = [pool_rows(rows[positions[start : start + chunk]], "avg") for start in range(0, len(positions), chunk)]
    return positions, unit_rows(np.concatenate(parts))
