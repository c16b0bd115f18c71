"""Distances and p-values."""

import numpy as np
import pytest

from pipeline.errors import DamagedStoreError
from pipeline.stage_two.novelty.detector import Detector, Novelty, detector_from_arrays

CENTRES = np.array([[1, 0, 0], [0, 1, 0]], np.float16)
CALIBRATION = np.array([0, 0.25, 0.5, 0.5], np.float32)
DETECTOR = Detector(CENTRES, CALIBRATION)


def test_distance_is_that_to_the_nearest_centre():
    """1 - the largest cosine, whatever the length of the row; a row of zeros is as far as an orthogonal one."""
    X = np.array([[2, 0, 0], [0, 0, 7], [3, 4, 0], [-1, 0, 0], [0, 0, 0]], np.float32)

    assert DETECTOR.distances(X) == pytest.approx([0, 1, 0.2, 1, 1], abs=1e-6)


def test_grids_are_averaged_first():
    """A grid has the distance of its mean over the positions."""
    grid = np.random.default_rng(0).random((5, 2, 2, 3)).astype(np.float32)

    assert DETECTOR.distances(grid) == pytest.approx(DETECTOR.distances(grid.mean(axis=(1, 2))), abs=1e-6)


def test_p_value_counts_images_that_are_at_least_as_far():
    """(1 + count) / (n + 1), with equal distances counted; between 1 / (n + 1) and 1."""
    distances = np.array([0, 0.1, 0.25, 0.3, 0.5, 0.6], np.float32)

    assert DETECTOR.p_values(distances) == pytest.approx([1, 0.8, 0.8, 0.6, 0.6, 0.2])
    assert DETECTOR.smallest == 0.2


def test_p_values_of_images_like_the_calibration_are_uniform():
    """No more than a share a of familiar images has a p-value of at most a: the mean over many calibrations is not above a."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        calibration, new = np.sort(rng.random(19).astype(np.float32)), rng.random(100).astype(np.float32)
        p = Detector(CENTRES, calibration).p_values(new)
        shares.append([(p <= level).mean() for level in (0.05, 0.1, 0.5)])

    assert np.mean(shares, axis=0) == pytest.approx([0.05, 0.1, 0.5], abs=0.02)


def test_rows_of_another_length_are_refused():
    """The message says both lengths."""
    with pytest.raises(DamagedStoreError, match=r"takes rows of 3 features.* makes rows of 4\."):
        DETECTOR.judge(np.zeros((1, 4), np.float32))


def test_arrays_make_the_same_detector():
    """A round trip keeps each number."""
    again = detector_from_arrays(DETECTOR.arrays(), "novelty.npz")

    assert np.array_equal(again.centres, CENTRES)
    assert np.array_equal(again.calibration, CALIBRATION)


WRONG = {
    "no centres": {"centres": None},
    "float32 centres": {"centres": CENTRES.astype(np.float32)},
    "flat centres": {"centres": CENTRES[0]},
    "no centre": {"centres": CENTRES[:0]},
    "no feature": {"centres": CENTRES[:, :0]},
    "NaN centre": {"centres": CENTRES * np.float16(np.nan)},
    "long centre": {"centres": CENTRES * np.float16(2)},
    "many centres": {"centres": np.zeros((4097, 1), np.float16)},
    "no distance": {"calibration": CALIBRATION[:0]},
    "distances that are not sorted": {"calibration": CALIBRATION[::-1]},
    "NaN distance": {"calibration": CALIBRATION * np.float32(np.nan)},
    "negative distance": {"calibration": CALIBRATION - 1},
    "whole numbers": {"calibration": np.zeros(3, np.int64)},
    "many distances": {"calibration": np.zeros(65_537, np.float32)},
    "an array too many": {"more": np.zeros(1)},
}


@pytest.mark.parametrize("fault", WRONG)
def test_impossible_arrays_are_refused(fault):
    """The message names the file and the cure."""
    arrays = {name: array for name, array in (DETECTOR.arrays() | WRONG[fault]).items() if array is not None}

    with pytest.raises(DamagedStoreError, match=r"^bad/novelty\.npz does not hold.*Train the run again"):
        detector_from_arrays(arrays, "bad/novelty.npz")


def test_parts_are_joined():
    """Images that were not judged have NaN."""
    joined = Novelty.joined([Novelty.unknown(2), DETECTOR.judge(np.eye(3, dtype=np.float32))])

    assert np.isnan(joined.distances[:2]).all()
    assert np.isnan(joined.p_values[:2]).all()
    assert joined.p_values[2:] == pytest.approx([1, 1, 0.2])
