"""One class for each image."""

import numpy as np
import pytest

from pipeline.errors import DataLayoutError, HeadSpecError
from pipeline.tasks.classification import Classification

PAIR, THREE = Classification(("ant", "bee")), Classification(("ant", "bee", "cat"))


def test_targets_are_one_column_per_class():
    """1 for the class of the image and -1 for the others; two classes share one column."""
    assert THREE.columns(np.array([0, 2])).tolist() == [[1, -1, -1], [-1, -1, 1]]
    assert PAIR.columns(np.array([0, 1])).tolist() == [[-1], [1]]


def test_output_that_is_given_wins():
    """Two classes may have a softmax; one sigmoid cannot tell three classes apart."""
    assert PAIR.dense_output("softmax") == (2, "softmax")
    assert PAIR.dense_output("sigmoid") == (1, "sigmoid")
    with pytest.raises(HeadSpecError, match=r"A sigmoid output is for two classes. Received: 3 classes; use softmax."):
        THREE.dense_output("sigmoid")


def test_threshold_decides_instead_of_the_larger_probability():
    """Of two classes, the second one from the threshold on; scores follow."""
    task, outputs = Classification(("ant", "bee"), 0.3), np.array([[0.6, 0.4], [0.8, 0.2]], np.float32)

    assert task.decide(outputs).tolist() == [1, 0]
    assert (task.answer(outputs[0], 2).label, task.answer(outputs[0], 2).top[0][0]) == ("bee", "bee")
    assert task.score(outputs, np.array([1, 0])).accuracy == 1
    assert PAIR.score(outputs, np.array([1, 0])).accuracy == 0.5


def test_unknown_class_is_named():
    """With those that are expected."""
    with pytest.raises(DataLayoutError, match=r"The label 'dog' is no class. Expected one of ant, bee."):
        PAIR.encode(["ant", "dog"])
