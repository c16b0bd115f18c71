"""Which maps a head has."""

import keras
import numpy as np
import pytest

from pipeline.errors import SettingError
from pipeline.evidence.explain import explain_with, ways_of
from pipeline.evidence.maps import head_rows
from pipeline.stage_two.dense.build import DenseHead, build_head
from pipeline.stage_two.spec import parse_head
from pipeline.tasks.classification import Classification
from pipeline.tasks.regression import Regression
from pipeline.tasks.targets import Scaling
from tests.evidence.samples import ask_for, make_grid, make_head


@pytest.fixture(scope="module")
def dense():
    """A head on the grid: one sigmoid for two classes."""
    keras.utils.set_random_seed(1)
    return DenseHead(build_head(parse_head("dense:32,relu,dropout:0.5"), (3, 4, 6), Classification(("a", "b"))))


def test_gradients_and_the_rest_are_the_logit(dense):
    """Of a dense head; two classes with one sigmoid have the log odds of the second one."""
    grid = make_grid()
    found = explain_with(dense, "none")([grid], np.tile([-1.0, 1.0], (5, 1)))
    outputs = dense.outputs(grid)

    assert found.how == "gradient"
    assert found.cells.shape == (5, 3, 4)
    np.testing.assert_allclose(found.total, np.log(outputs[:, 1] / outputs[:, 0]), atol=1e-4)
    np.testing.assert_allclose(found.cells.mean(axis=(1, 2)) + found.rest, found.total, atol=1e-6)


def test_gradients_of_a_saturated_head_are_no_zeros(dense):
    """They are taken before the sigmoid, and the head itself keeps it."""
    grid = 1e4 * make_grid()
    found = explain_with(dense, "none")([grid], np.tile([-1.0, 1.0], (5, 1)))

    assert (np.abs(found.cells).max(axis=(1, 2)) > 1).all()
    assert dense.outputs(grid).max() <= 1


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_a_layer_on_pooled_rows_is_as_exact_as_a_linear_head(pooling):
    """A dense head without hidden layers is linear, and gets the map of the linear head with its weights."""
    grid, linear = make_grid(), make_head(6, temperature=1.0)
    model = build_head(parse_head("softmax"), (6,), Classification(("a", "b", "c")))
    weights = linear.weights / linear.scale[:, None]
    model.set_weights([weights, linear.bias])
    bare = type(linear)(np.zeros_like(linear.mean), np.ones_like(linear.scale), weights, linear.bias, 1.0)
    found = explain_with(DenseHead(model), pooling)([grid], ask_for(1, 5))
    expected = explain_with(bare, pooling)([grid], ask_for(1, 5))

    np.testing.assert_allclose(found.cells, expected.cells, atol=1e-4)
    np.testing.assert_allclose(found.rest, expected.rest, atol=1e-4)


def test_numbers_are_in_their_own_unit():
    """The layer that brings outputs to the units of the data is part of the map."""
    model = build_head(parse_head("dense:4,relu"), (3, 4, 6), Regression(("age",)), Scaling((40.0,), (10.0,)))
    head, grid = DenseHead(model, "identity"), make_grid()
    found = explain_with(head, "none")([grid], ask_for(0, 5, 1))

    np.testing.assert_allclose(found.total, head.outputs(grid)[:, 0], rtol=1e-5)
    assert found.total.mean() > 10


def test_blanks_are_there_for_all(dense):
    """Zeros stand for a blanked cell of a dense head."""
    grid = make_grid()
    found = explain_with(dense, "none", "blank")([grid], np.tile([-1.0, 1.0], (5, 1)))
    empty = grid.copy()
    empty[:, 2, 3] = 0
    odds = [np.log(outputs[:, 1] / outputs[:, 0]) for outputs in (dense.outputs(grid), dense.outputs(empty))]

    np.testing.assert_allclose(found.cells[:, 2, 3], odds[0] - odds[1], atol=1e-4)
    assert ways_of(dense) == ("gradient", "blank")
    assert ways_of(make_head(6)) == ("exact", "blank")


def test_a_way_that_a_head_lacks_is_refused(dense):
    """The message names those that it has."""
    with pytest.raises(SettingError, match=r"is exact or blank\. Received: 'gradient'"):
        explain_with(make_head(6), "avg", "gradient")
    with pytest.raises(SettingError, match=r"is gradient or blank\. Received: 'exact'"):
        explain_with(dense, "none", "exact")


def test_rows_of_a_head_are_pooled_side_by_side():
    """Or the grid as it is."""
    grid = make_grid()

    assert head_rows([grid], "none") is grid
    assert head_rows([grid, grid], "avg").shape == (5, 12)
