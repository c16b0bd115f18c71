"""The heads of a sweep."""

import re

import pytest

from pipeline.errors import HeadSpecError, SettingError
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.grid import Cell, Grid
from pipeline.tasks.classification import Classification

HEADS = ("logreg:C=0.001|0.1|10", "ridge:alpha=10", "knn:k=1|9")
"""Six cells."""

TASK = Classification(("cat", "dog"))


def test_cells_are_all_combinations():
    """Choices in the text, learning rates and batch sizes are combined; linear heads have neither of the latter."""
    grid = Grid(["logreg", "dense:8|16,relu"], learning_rates=[0.01, 0.001], batch_sizes=[16, 32, 64])
    cells = grid.cells(TASK)

    assert [cell.head for cell in cells[:2]] == ["logreg", "dense:8,relu"]
    assert len(cells) == 1 + 2 * 2 * 3
    assert {(cell.training.learning_rate, cell.training.batch_size) for cell in cells[1:7]} == {
        (rate, size) for rate in (0.01, 0.001) for size in (16, 32, 64)
    }
    assert cells[0].training == Training()


@pytest.mark.parametrize(("pool", "expected"), [(None, ["avg", "none", "none"]), ("max", ["max"] * 3)])
def test_each_head_has_its_own_pooling(pool, expected):
    """A linear head takes pooled rows and a dense one the grid, as if it were trained alone; a given pooling is for all."""
    cells = Grid(["logreg", "dense:8", "softmax"], pool=pool).cells(TASK)

    assert [cell.pooling for cell in cells] == expected


def test_same_head_twice_is_one_cell():
    """A head that is given twice, or in two notations, is fitted once."""
    cells = Grid(["logreg:C=1", "logreg:C=1.0", "logreg: C=1|1"]).cells(TASK)

    assert [cell.head for cell in cells] == ["logreg:C=1"]


def test_cells_keep_every_digit():
    """The head of a cell is not rounded."""
    cells = Grid(["logreg:C=0.12345678", "dense:1234567"]).cells(TASK)

    assert [cell.head for cell in cells] == ["logreg:C=0.12345678", "dense:1234567"]


def test_default_heads_can_be_parsed():
    """The heads of a sweep without --head are nine cells, linear and dense."""
    cells = Grid().cells(TASK)

    assert len(cells) == 9
    assert sum(bool(cell.settings) for cell in cells) == 3


def test_settings_of_a_linear_head_are_none():
    """A linear head has no epochs and no learning rate in its settings."""
    assert Cell("logreg", Training(), "avg").settings == {}
    assert Cell("softmax", Training(epochs=7), "none").settings["epochs"] == 7


def test_random_draw_follows_the_seed():
    """The same seed draws the same cells from the grid, another seed draws others, and no cell is drawn twice."""
    heads = ["dense:8|16|32|64|128,relu,dropout:0.1|0.2|0.3|0.4"]
    first, again, other = (
        Grid(heads, Training(seed=seed), num_random=6, learning_rates=[0.1, 0.01]).cells(TASK) for seed in (1, 1, 2)
    )
    grid = Grid(heads, Training(seed=1), learning_rates=[0.1, 0.01]).cells(TASK)

    assert first == again
    assert [cell.head for cell in first] != [cell.head for cell in other]
    assert len(set(first)) == 6
    assert set(first) < set(grid)


def test_random_draw_of_more_than_there_is_takes_all():
    """If the draw is larger than the grid, all cells are taken."""
    assert Grid(HEADS, num_random=100).cells(TASK) == Grid(HEADS).cells(TASK)


def test_sweep_of_nothing_is_refused():
    """A sweep without a head is an error."""
    expected = "A sweep needs at least one head. Received: heads ['logreg'], random 0."

    with pytest.raises(SettingError, match=re.escape(expected)):
        Grid(["logreg"], num_random=0).cells(TASK)


def test_mistake_in_one_head_stops_the_sweep_before_it_starts():
    """All heads are parsed before one is fitted."""
    with pytest.raises(HeadSpecError, match="Cannot understand 'forest'"):
        Grid(["logreg", "forest"]).cells(TASK)
