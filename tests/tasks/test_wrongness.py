"""How wrong predictions are: what pages show first."""

import numpy as np

from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression

NAN = float("nan")


def test_a_wrong_class_is_as_wrong_as_it_is_confident():
    """Right predictions are NaN; a threshold decides what is predicted."""
    outputs, y = np.float32([[0.9, 0.1], [0.75, 0.25], [0.5, 0.5]]), np.array([0, 1, 1])

    np.testing.assert_array_equal(Classification(("a", "b")).wrongness(outputs, y), [NAN, 0.75, 0.5])
    np.testing.assert_array_equal(Classification(("a", "b"), 0.25).wrongness(outputs, y), [NAN, NAN, NAN])


def test_labels_are_as_wrong_as_their_worst_answer():
    """By the distance from its threshold; an answer that is not known is never wrong."""
    outputs, y = np.float32([[0.75, 0.25], [0.75, 0.25], [0.5, 1.0]]), np.float32([[1, 0], [0, 1], [NAN, 1]])

    np.testing.assert_array_equal(Multilabel(("a", "b"), (0.5, 0.75)).wrongness(outputs, y), [NAN, 0.5, NAN])


def test_numbers_are_wrong_in_deviations_of_their_column():
    """So that columns of other units can be compared; an image without a number is NaN."""
    y = np.float32([[0, 0], [2, 200], [NAN, NAN]])
    outputs = y + np.float32([[1, 0], [0, 200], [5, 5]])

    np.testing.assert_allclose(Regression(("m", "cm")).wrongness(outputs, y), [1, 2, NAN])


def test_a_column_without_numbers_has_a_scale():
    """Where no number of a split is known."""
    assert Regression(("m",)).scaling(np.full((3, 1), np.nan, np.float32)).spread == (1.0,)
