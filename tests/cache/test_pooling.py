"""Pooling of rows, and half precision to single."""

import numpy as np
import pytest

from pipeline.cache.pooling import pool_rows, to_float32
from pipeline.errors import SettingError
from tests.cache.samples import make_rows


def test_unknown_pooling_is_refused():
    """A typing error is not taken for a maximum."""
    with pytest.raises(SettingError, match=r"^The pooling is one of none, avg, max\. Received: 'mean'\.$"):
        pool_rows(make_rows(range(2)), "mean")


def test_every_half_becomes_its_float_exactly():
    """All 63,488 finite float16 values, subnormal ones and both zeros, are those of numpy's own conversion."""
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]

    found = to_float32(halves)

    assert len(halves) == 63_488
    np.testing.assert_array_equal(found.view(np.uint32), halves.astype(np.float32).view(np.uint32))


def test_pooling_goes_over_the_grid_alone():
    """A row keeps its channels; without a pooling, or without a grid, it stays the same object."""
    rows = make_rows(range(3))

    np.testing.assert_array_equal(pool_rows(rows, "max"), rows.max(axis=(1, 2)))
    np.testing.assert_allclose(pool_rows(rows, "avg"), rows.mean(axis=(1, 2)), rtol=1e-6)
    assert pool_rows(rows, "none") is rows
    assert pool_rows(rows[:, 0, 0], "max").shape == (3, 5)
