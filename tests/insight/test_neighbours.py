"""The nearest rows."""

import numpy as np
import pytest

from pipeline.insight import neighbours
from pipeline.insight.neighbours import find_nearest, unit_length


@pytest.mark.parametrize("block_bytes", [1, 1000, 2**26])
def test_nearest_are_those_of_all_cosines(block_bytes, monkeypatch):
    """For any size of blocks, they are the rows with the highest cosines, in order; those of the query's own block are left out."""
    monkeypatch.setattr(neighbours, "_BLOCK_BYTES", block_bytes)
    rng = np.random.default_rng(0)
    queries, rows = (unit_length(rng.normal(size=(count, 4)).astype(np.float32)) for count in (7, 50))
    blocks = np.arange(7), np.arange(50) % 10
    found = find_nearest(queries, rows, 5, blocks=blocks)
    cosines = np.where(blocks[0][:, None] == blocks[1], -np.inf, queries @ rows.T)

    assert found.images.tolist() == np.argsort(-cosines, axis=1)[:, :5].tolist()
    np.testing.assert_allclose(found.cosines, -np.sort(-cosines, axis=1)[:, :5], atol=1e-6)


def test_there_may_be_fewer_rows_than_neighbours():
    """What is missing is -1, behind what is there; a row of zeros is near to nothing."""
    rows = unit_length(np.array([[1, 0], [0, 1], [0, 0]], np.float32))
    found = find_nearest(rows[:1], rows, 9, blocks=(np.array([0]), np.arange(3)))

    assert sorted(found.images[0].tolist()) == [-1, 1, 2]
    assert found.images[0, -1] == -1
    assert found.cosines[0].tolist() == [0, 0, -1]
