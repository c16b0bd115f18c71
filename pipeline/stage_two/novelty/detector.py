"""How far an image is from all that a head was trained on, and how unusual that is.

Letters: N images, D features, M centres of the training rows, n validation images.

    d(x) = 1 - max_m u(x) . c_m,    u(x) = x / |x|                                                          (1)
    p(x) = (1 + number of validation images that are at least as far) / (n + 1)                             (2)

x is the image's row, averaged over the grid. (1) is the distance to the nearest neighbour of Sun, Ming, Zhu & Li 2022, Out-of-Distribution
Detection with Deep Nearest Neighbors, ICML, among centres of the training rows instead of all rows (`pipeline.stage_two.novelty.fit`): half
the squared distance of rows of length 1. (2) is the conformal p-value of Bates, Candes, Lei, Romano & Sesia 2023, Testing for outliers with
conformal p-values, Annals of Statistics 51(1). For an image that is drawn as the validation images were, the probability of a p-value of
at most a is at most a, whatever the rows are. `benchmarks/studies/unseen.py` compares (1) with other distances and scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.cache.pooling import pool_rows
from pipeline.errors import DamagedStoreError
from pipeline.stage_two.linear.heads import unit_rows

Array = NDArray[np.float32]

MAX_CENTRES = 4096
"""Of a file that is read."""

MAX_CALIBRATION = 65_536
"""Distances of validation images in a file that is read."""


@dataclass(frozen=True)
class Novelty:
    """How far N images are from the training images."""

    distances: Array
    """(1), in [0, 2], (N,); NaN where it was not asked."""

    p_values: NDArray[np.float64]
    """(2), in (0, 1], (N,); NaN where it was not asked."""

    @classmethod
    def unknown(cls, count: int) -> Self:
        """Of images that were not judged."""
        return cls(np.full(count, np.nan, np.float32), np.full(count, np.nan))

    @classmethod
    def joined(cls, parts: "Sequence[Novelty]") -> Self:
        """One after the other."""
        distances = [part.distances for part in parts]
        return cls(np.concatenate(distances), np.concatenate([part.p_values for part in parts]))


@dataclass(frozen=True)
class Detector:
    """Judges whether an image is like the training images."""

    centres: NDArray[np.float16]
    """c, rows of length 1, (M, D). Rounding to float16 changes a distance by less than 1e-3 of its value."""

    calibration: Array
    """Distances of n validation images, ascending, (n,)."""

    @property
    def num_validation(self) -> int:
        """The number of validation images, n."""
        return len(self.calibration)

    @property
    def smallest(self) -> float:
        """The smallest p-value that it can give."""
        return 1 / (self.num_validation + 1)

    def distances(self, X: NDArray[np.floating]) -> Array:
        """(1) of rows (N, D) or (N, h, w, D), (N,).

        Raises:
            DamagedStoreError: The rows are not as long as the centres.
        """
        if X.shape[-1] != self.centres.shape[1]:
            raise DamagedStoreError(
                f"novelty.npz of this run takes rows of {self.centres.shape[1]:,} features, and the recipe in its run.json makes rows of "
                f"{X.shape[-1]:,}. The files are not of one run. Train it again."
            )
        return distances_to(self.centres, unit_rows(pool_rows(X.astype(np.float32, copy=False), "avg")))

    def p_values(self, distances: Array) -> NDArray[np.float64]:
        """(2) of distances (N,), (N,)."""
        n = len(self.calibration)
        at_least = n - np.searchsorted(self.calibration, distances, side="left")
        return np.asarray((1 + at_least) / (n + 1), np.float64)

    def judge(self, X: NDArray[np.floating]) -> Novelty:
        """Distances and p-values of rows (N, D) or (N, h, w, D)."""
        distances = self.distances(X)
        return Novelty(distances, self.p_values(distances))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays to save, by name."""
        return {"centres": self.centres, "calibration": self.calibration}


def distances_to(centres: NDArray[np.float16], units: Array) -> Array:
    """(1) of rows of length 1, (N, D), to (N,)."""
    products = units @ centres.astype(np.float32).T
    # Rounding can make a product a little larger than 1.
    distances: Array = np.clip(1 - products.max(axis=1), 0, 2).astype(np.float32)
    return distances


def detector_from_arrays(arrays: Mapping[str, NDArray[Any]], origin: object) -> Detector:
    """The detector whose `arrays()` these are.

    Args:
        arrays: By name; they may come from elsewhere.
        origin: The file, for messages.

    Raises:
        DamagedStoreError: Arrays are missing, their types or shapes do not fit, or a value is impossible.
    """
    centres, calibration = arrays.get("centres"), arrays.get("calibration")
    is_sound = (
        set(arrays) == {"centres", "calibration"}
        and centres is not None
        and calibration is not None
        and centres.dtype == np.float16
        and calibration.dtype == np.float32
        and (centres.ndim, calibration.ndim) == (2, 1)
        and 1 <= len(centres) <= MAX_CENTRES
        and centres.shape[1] >= 1
        and 1 <= len(calibration) <= MAX_CALIBRATION
        and bool((np.abs(centres) <= 1).all())  # not true of NaN either
        and bool(((calibration >= 0) & (calibration <= 2)).all())
        and bool((np.diff(calibration) >= 0).all())
    )
    if not is_sound or centres is None or calibration is None:
        received = {name: f"{array.dtype} {array.shape}" for name, array in arrays.items()}
        raise DamagedStoreError(
            f"{origin} does not hold the centres and the ascending distances of a run. Received: {received}. Train the run again, or delete "
            "the file to predict without p-values."
        )
    return Detector(centres, calibration)
