"""The mathematics of the maps of linear heads."""

import numpy as np
import pytest

from pipeline.evidence.explain import explain_with
from pipeline.evidence.maps import head_rows, linear_maps, on_one_grid
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import parse_head
from pipeline.tasks.classification import Classification
from tests.evidence.samples import ask_for, make_grid, make_head


@pytest.mark.parametrize("norm", ["none", "l2"])
@pytest.mark.parametrize("link", ["softmax", "sigmoid", "identity"])
@pytest.mark.parametrize("pooling", ["avg", "max", "none"])
def test_mean_and_rest_are_the_sum(pooling, link, norm):
    """For every output, pooling, link and norm: the mean of the map plus the bias is the head's logit, to 1e-5."""
    grid = make_grid()
    rows = head_rows([grid], pooling).reshape(len(grid), -1)
    head = make_head(rows.shape[1], link=link, norm=norm)
    for output in range(3):
        found = linear_maps(head, [grid], pooling, ask_for(output, len(grid)))
        expected = head.temperature * head.scores(rows)[:, output]

        assert found.cells.shape == (5, 3, 4)
        np.testing.assert_allclose(found.cells.mean(axis=(1, 2)) + found.rest, expected, atol=1e-5)
        np.testing.assert_allclose(found.total, expected, atol=1e-5)
        np.testing.assert_allclose(found.rest, head.temperature * head.bias[output], rtol=1e-6)


def test_a_cell_is_what_an_image_of_such_cells_would_get():
    """With average pooling the map is the head itself on each cell: no network and no gradient."""
    grid = make_grid()
    head = make_head(6)
    cells = head.temperature * (head.scores(grid.reshape(-1, 6)) - head.bias)
    found = linear_maps(head, [grid], "avg", ask_for(1, 5))

    np.testing.assert_allclose(found.cells, cells[:, 1].reshape(5, 3, 4), atol=1e-5)


def test_the_winner_of_a_maximum_gets_its_channel():
    """Of two cells that are equal each gets half; a cell that wins no channel gets nothing."""
    grid = np.zeros((1, 2, 2, 2), np.float32)
    grid[0, 0, 1] = 3, 1
    grid[0, 1, 0] = 0, 1
    head = make_head(2, temperature=1.0)
    worth = (np.array([3, 1]) - head.mean) / head.scale * head.weights[:, 0]
    found = linear_maps(head, [grid], "max", ask_for(0, 1))

    np.testing.assert_allclose(found.cells[0] / 4, [[0, worth[0] + worth[1] / 2], [worth[1] / 2, 0]], atol=1e-6)


def test_joined_grids_are_added():
    """Bases with other grids: each is repeated to the grid that both divide, and the sum stays exact."""
    parts = [make_grid(height=2, width=2, channels=4), make_grid(height=3, width=3, channels=5, seed=7)]
    head = make_head(9)
    found = linear_maps(head, parts, "avg", ask_for(2, 5))
    expected = head.temperature * head.scores(head_rows(parts, "avg"))[:, 2]

    assert found.cells.shape == (5, 6, 6)
    np.testing.assert_allclose(found.cells.mean(axis=(1, 2)) + found.rest, expected, atol=1e-5)
    assert on_one_grid([np.ones((1, 2, 2)), np.ones((1, 4, 4))]).tolist() == np.full((1, 4, 4), 2.0).tolist()


@pytest.mark.parametrize(
    "head", ["logreg", "ridge", "svm", "lda", "logreg:norm=l2,pca=3,whiten=yes", "ridge:scale=none"]
)
def test_fitted_heads_are_explained(head):
    """Whatever is done to the rows before a fit: scaling, principal components, length."""
    grid = make_grid(num_images=30)
    y = np.arange(30) % 2
    grid[y == 1, 0, 0, 2] += 2
    task, rows = Classification(("a", "b")), head_rows([grid], "avg")
    split = Split(rows, y, ())
    fitted = fit_linear(parse_head(head, task), LabelledRows(task, {"train": split, "validation": split})).head
    found = explain_with(fitted, "avg")([grid], np.tile([-1.0, 1.0], (30, 1)))
    scores = fitted.temperature * fitted.scores(rows).astype(np.float64)

    np.testing.assert_allclose(found.cells.mean(axis=(1, 2)) + found.rest, scores[:, 1] - scores[:, 0], atol=1e-5)
    assert (found.cells[y == 1].argmax(axis=2)[:, 0] == 0).mean() > 0.6
