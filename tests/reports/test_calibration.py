"""Confidence against accuracy."""

import numpy as np
import pytest

from pipeline.reports.calibration import reliability


def test_error_is_the_weighted_distance_of_the_bins():
    """Two bins of 3 and 1 images, off by 0.95 - 2/3 and 0.65 - 0: the error weighs them by their images."""
    found = reliability(np.array([0.95, 0.95, 0.95, 0.65]), np.array([True, True, False, False]))

    assert [(entry["low"], entry["n"]) for entry in found["bins"]] == [(0.6, 1), (0.9, 3)]
    assert [entry["accuracy"] for entry in found["bins"]] == pytest.approx([0, 2 / 3])
    assert found["ece"] == pytest.approx(3 / 4 * (0.95 - 2 / 3) + 1 / 4 * 0.65)


def test_head_that_is_always_sure_and_right_has_no_error():
    """A confidence of exactly 1 falls into the last bin."""
    found = reliability(np.ones(5), np.ones(5, bool))

    assert found["ece"] == 0
    assert [(entry["high"], entry["n"]) for entry in found["bins"]] == [(1.0, 5)]
    assert found["bins"][0]["ci95"][1] == 1


def test_no_image_is_no_error():
    """A split none of whose images are listed has an empty diagram."""
    assert reliability(np.empty(0), np.empty(0, bool)) == {"ece": 0, "bins": []}
