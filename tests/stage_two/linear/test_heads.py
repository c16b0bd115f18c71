"""Fitted linear heads as arrays."""

import re

import numpy as np
import pytest

from pipeline.errors import DamagedStoreError
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.linear.heads import LinearHead, NeighboursHead, head_from_arrays
from pipeline.stage_two.spec import parse_head
from pipeline.tasks.links import softmax
from tests.stage_two.tasks import HARD, LINEAR_HEADS, make_task


def fit(text, task):
    return fit_linear(parse_head(text), task)


def test_softmax_of_large_scores_does_not_overflow():
    """Only differences of scores matter, also if the scores are large."""
    scores = np.array([[1000.0, 1000.0, 0.0], [-2000.0, -2000.0 + np.log(3), -4000.0]])

    assert np.allclose(softmax(scores), [[0.5, 0.5, 0], [0.25, 0.75, 0]])


def test_neighbours_of_a_black_image_are_finite():
    """An image whose features are all zero has no direction, but it has probabilities that sum to 1."""
    task = make_task(num_classes=2, **HARD)
    probabilities = fit("knn:k=3", task).head.outputs(np.zeros((1, 8), np.float32))

    assert probabilities.sum() == pytest.approx(1)


def test_numbers_of_parameters():
    """A linear head counts weights and biases; neighbours count the rows that they keep."""
    task = make_task((8,), num_classes=3)

    assert fit("logreg:C=1", task).head.num_parameters == 8 * 3 + 3
    assert fit("knn:k=3", task).head.num_parameters == 90 * 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("logreg:C=1", "LinearHead(8 features, 3 outputs, softmax)"),
        ("knn:k=3", "NeighboursHead(k=3, 90 images, 8 features, 3 classes)"),
    ],
)
def test_head_is_shown_in_one_line(text, expected):
    """The display has no arrays."""
    assert repr(fit(text, make_task((8,), num_classes=3)).head) == expected


@pytest.mark.parametrize("text", LINEAR_HEADS)
def test_arrays_round_trip(text):
    """A head that is made from its arrays predicts the same bits."""
    task = make_task(num_classes=4, **HARD)
    head = fit(text, task).head
    again = head_from_arrays(head.arrays())
    X = task.splits["test"].flat

    assert type(again) is type(head)
    assert again.outputs(X).tobytes() == head.outputs(X).tobytes()
    assert all(array.dtype.kind in "fi" for array in head.arrays().values())


LINEAR = LinearHead(np.zeros(4), np.ones(4), np.zeros((4, 3)), np.zeros(3), 1.0).arrays()
NEIGHBOURS = NeighboursHead(np.zeros(4), np.ones(4), np.ones((5, 4)), np.arange(5) % 2, 2, 3).arrays()


@pytest.mark.parametrize("name", ["mean", "scale", "weights", "bias", "temperature"])
def test_missing_array_is_refused(name):
    """A head's file without one of its arrays is damaged."""
    arrays = {key: array for key, array in LINEAR.items() if key != name}

    with pytest.raises(DamagedStoreError, match=f"does not contain the arrays of a linear head: '{name}'. Received: "):
        head_from_arrays(arrays)


@pytest.mark.parametrize("name", ["labels", "num_classes", "k"])
def test_missing_array_of_neighbours_is_refused(name):
    """A neighbours head's file without one of its arrays is damaged."""
    arrays = {key: array for key, array in NEIGHBOURS.items() if key != name}

    with pytest.raises(DamagedStoreError, match=f"does not contain the arrays of a linear head: '{name}'. Received: "):
        head_from_arrays(arrays)


@pytest.mark.parametrize(
    ("arrays", "changed"),
    [
        (LINEAR, {"weights": np.zeros((5, 3))}),
        (LINEAR, {"weights": np.zeros((4, 2))}),
        (LINEAR, {"weights": np.zeros((2, 4, 3))}),
        (LINEAR, {"scale": np.ones(1)}),
        (LINEAR, {"bias": np.zeros((3, 1))}),
        (LINEAR, {"mean": np.zeros((4, 1)), "scale": np.ones((4, 1))}),
        (NEIGHBOURS, {"rows": np.ones((5, 6))}),
        (NEIGHBOURS, {"labels": np.zeros(4, np.int64)}),
        (NEIGHBOURS, {"labels": np.zeros((5, 2), np.int64)}),
        (NEIGHBOURS, {"labels": np.array([0, 1, 2, 0, 1])}),
        (NEIGHBOURS, {"num_classes": np.array([10**12])}),
        (NEIGHBOURS, {"k": np.array([0])}),
        (NEIGHBOURS, {"k": np.array([6])}),
        (NEIGHBOURS, {"mean": np.zeros((4, 1))}),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(arrays, changed):
    """Shapes and class numbers are checked against each other before anything is computed."""
    shape = next(iter(changed.values())).shape

    with pytest.raises(
        DamagedStoreError, match=f"the arrays of the head do not fit each other: .*{re.escape(str(shape))}"
    ):
        head_from_arrays({**arrays, **changed})


def test_empty_arrays_are_refused():
    """An array that must hold one number and holds none is damage."""
    with pytest.raises(DamagedStoreError, match="does not contain the arrays of a linear head"):
        head_from_arrays({**LINEAR, "temperature": np.zeros(0)})
