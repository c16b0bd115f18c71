"""Comparing a file with its run."""

import numpy as np
import pytest

from pipeline.errors import DisagreementError
from pipeline.exports.parity import Parity, in_batches, measure_p_values, measure_parity
from pipeline.stage_two.novelty.detector import Detector
from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression

TASK = Classification(("a", "b"))
EXPECTED = np.array([[0.5004, 0.4996], [0.9, 0.1]], np.float32)


def test_agreement_is_measured():
    """The largest difference of any probability."""
    parity = measure_parity(TASK, EXPECTED, EXPECTED + np.float32([[0, 0], [-5e-4, 5e-4]]), 1e-3, "It")

    assert parity == Parity(2, pytest.approx(5e-4, abs=1e-6), 0)


def test_a_tie_is_counted():
    """Another label within the tolerance can only be a tie between the run's most likely classes; it is counted."""
    assert measure_parity(TASK, EXPECTED, EXPECTED + np.float32([[-8e-4, 8e-4], [0, 0]]), 1e-3, "It").ties == 1


def test_a_tie_is_one_of_thresholds_too():
    """Of a label, and of the second of two classes: a probability on the other side of its threshold."""
    near = EXPECTED + np.float32([[0, -8e-4], [0, 0]])
    tasks = Multilabel(("a", "b"), (0.6, 0.499)), Classification(("a", "b"), 0.499), Classification(("a", "b"), 0.7)

    assert [measure_parity(task, EXPECTED, near, 1e-3, "It").ties for task in tasks] == [1, 1, 0]


def test_numbers_are_compared_in_their_own_units():
    """A thousandth of a deviation is the limit, whatever the units; there are no ties."""
    numbers = np.array([[1000.0, 0.001], [3000.0, 0.003]], np.float32)
    task = Regression(("price", "share"))
    parity = measure_parity(task, numbers, numbers + np.float32([[0.5, 0], [0, 0]]), 1e-3, "It")

    assert parity == Parity(2, pytest.approx(5e-4, rel=1e-3), 0)
    with pytest.raises(
        DisagreementError, match=r"It disagrees with its run by 0\.1 in one of its values over 2 images"
    ):
        measure_parity(task, numbers, numbers + np.float32([[0, 1e-4], [0, 0]]), 1e-3, "It")


@pytest.mark.parametrize(
    "received",
    [
        EXPECTED + np.float32(0.002),
        EXPECTED[:, ::-1],
        np.full((2, 2), np.nan, np.float32),
        EXPECTED[:1],
        EXPECTED[:, :1],
    ],
    ids=["off", "exchanged", "NaN", "images missing", "classes missing"],
)
def test_disagreement_is_an_error(received):
    """So is whatever cannot be compared."""
    with pytest.raises(DisagreementError, match=r"It disagrees with its run by .* over 2 images; the limit is 0\.001"):
        measure_parity(TASK, EXPECTED, received, 1e-3, "It")


def test_small_disagreement_comes_with_what_to_do():
    """It is rounding, which is enlarged; a large one is something else."""
    for off, has_cure in ((0.002, True), (0.2, False)):
        with pytest.raises(DisagreementError) as caught:
            measure_parity(TASK, EXPECTED, EXPECTED + np.float32(off), 1e-3, "It")
        assert ("Export to another format" in str(caught.value)) == has_cure


def test_batches_cover_all_images_in_order():
    """Whatever their number."""
    images = np.arange(70, dtype=np.float32)[:, None]

    np.testing.assert_array_equal(in_batches(lambda batch: batch * 2, images, desc="", progress=False), images * 2)


@pytest.mark.parametrize(
    ("received", "different"), [([0.2, 1.0], 0), ([0.4, 1.0], 1), ([0.2, 0.8], None), ([0.6, 1.0], None)]
)
def test_p_values_may_differ_where_distances_are_about_the_same(received, different):
    """0.3 is not told apart from 0.30002; another step is an error."""
    detector = Detector(np.ones((1, 1), np.float16), np.float32([0.1, 0.2, 0.25, 0.3]))
    distances = np.float32([0.30002, 0.05])
    if different is not None:
        assert measure_p_values(detector, distances, np.array(received), "It").different == different
        return
    with pytest.raises(DisagreementError, match=r"It disagrees with its run by 0\.[24] in a p-value over 2 images"):
        measure_p_values(detector, distances, np.array(received), "It")
