"""Blanked cells."""

import numpy as np
import pytest

from pipeline.evidence.blank import blank_maps
from pipeline.evidence.maps import head_rows, linear_maps
from pipeline.stage_two.linear.heads import NeighboursHead, unit_rows
from tests.evidence.samples import ask_for, make_grid, make_head


@pytest.mark.parametrize("pooling", ["avg", "none"])
def test_blanked_cells_lose_what_the_map_gives_them(pooling):
    """For linear heads, the share of each cell in the exact map."""
    grid = make_grid()
    head = make_head(head_rows([grid], pooling).reshape(5, -1).shape[1])
    exact = linear_maps(head, [grid], pooling, ask_for(0, 5))
    found = blank_maps(head, [grid], pooling, ask_for(0, 5))

    np.testing.assert_allclose(found.cells, exact.cells / 12, atol=1e-5)
    np.testing.assert_allclose(found.total, exact.total, atol=1e-6)
    assert found.how == "blank"


def test_a_maximum_loses_what_no_other_cell_has():
    """Under max pooling the cell is left out: a cell that wins nothing loses nothing, and neither does one of two equal ones."""
    grid = np.zeros((1, 2, 2, 2), np.float32)
    grid[0, 0, 1] = 3, 1
    grid[0, 1, 0] = 1, 1
    head = make_head(2, temperature=1.0)
    found = blank_maps(head, [grid], "max", ask_for(1, 1))

    np.testing.assert_allclose(found.cells[0], [[0, 2 * head.weights[0, 1] / head.scale[0]], [0, 0]], atol=1e-6)


def test_joined_grids_are_blanked_one_by_one():
    """The losses of each base, on the grid that both divide."""
    parts = [make_grid(height=2, width=2, channels=4), make_grid(height=4, width=4, channels=5, seed=7)]
    head = make_head(9)
    found = blank_maps(head, parts, "avg", ask_for(2, 5))
    exact = [
        linear_maps(make_part(head, chosen), [part], "avg", ask_for(2, 5)).cells
        for chosen, part in ((slice(4), parts[0]), (slice(4, 9), parts[1]))
    ]

    np.testing.assert_allclose(found.cells, np.repeat(np.repeat(exact[0] / 4, 2, 1), 2, 2) + exact[1] / 16, atol=1e-5)


def make_part(head, chosen):
    return type(head)(
        head.mean[chosen], head.scale[chosen], head.weights[chosen], head.bias, head.temperature, head.link
    )


def test_neighbours_lose_votes():
    """A head without sums is asked for its shares: without the cell that looks like class b, the neighbours are of class a."""
    grid = np.zeros((1, 2, 2, 2), np.float32)
    grid[0, ..., 0] = 0.1
    grid[0, 1, 1] = 0, 4
    rows = unit_rows(np.array([[1, 0.1], [1, 0.2], [0.1, 1]], np.float32))
    zero, one = np.zeros(2, np.float32), np.ones(2, np.float32)
    head = NeighboursHead(zero, one, rows, np.array([0, 0, 1]), 2, 1)
    found = blank_maps(head, [grid], "avg", ask_for(1, 1, 2))

    assert found.total.tolist() == [1]
    assert found.cells[0].tolist() == [[0, 0], [0, 1]]
