"""Moments in one pass."""

import numpy as np
import pytest

from pipeline.stage_two.linear.moments import Moments


@pytest.mark.parametrize("num_columns", [1, 7])
def test_moments_are_those_of_all_rows_at_once(num_columns):
    """In blocks of any size, with a mean a million times the deviation, and with a column that does not change."""
    rows = np.random.default_rng(0).normal(1e6, 1, (500, num_columns))
    rows[:, 0] = 0.1
    full, squares = Moments(num_columns, with_products=True), Moments(num_columns, with_products=False)
    for block in np.split(rows, [1, 2, 90, 400]):
        full.add(block)
        squares.add(block)
    centred = rows - rows.mean(axis=0)

    assert full.count == squares.count == 500
    np.testing.assert_allclose(full.mean, rows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(full.products, centred.T @ centred, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(squares.deviation, [1, *rows.std(axis=0)[1:]], rtol=1e-9)
    np.testing.assert_allclose(full.deviation, squares.deviation, rtol=1e-9)
