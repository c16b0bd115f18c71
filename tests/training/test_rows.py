"""Rows for a training."""

import math

import numpy as np
import pytest

from pipeline.settings import Settings
from pipeline.stage_two.rows import StoredRows
from pipeline.training.rows import read_rows
from tests.calls import extract
from tests.calls import read as scan


@pytest.fixture
def settings(tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


def test_missing_rows_are_computed_once(photos, settings):
    """The first reading computes all rows, the second none; both give the same task."""
    first, second = (read_rows(scan(photos), "avg", settings) for _ in range(2))

    assert (first.extraction.num_new, second.extraction.num_new) == (48, 0)
    assert first.pooling == "avg"
    assert first.trunk.digest == first.extraction.store.recipe.trunk_digest
    assert np.array_equal(first.labelled.train.X, second.labelled.train.X)


def test_pooled_rows_are_used_if_there_are_no_others(photos, settings):
    """A store of pooled rows serves a pooled head without a forward pass; a head on the grid needs spatial rows."""
    pooled = extract(photos, pool="avg", settings=settings)

    assert read_rows(scan(photos), "avg", settings).extraction.store.folder == pooled.store.folder
    grid = read_rows(scan(photos), "none", settings)
    assert (grid.extraction.store.folder != pooled.store.folder, grid.extraction.num_new) == (True, 48)
    assert read_rows(scan(photos), "avg", settings).extraction.store.folder == grid.extraction.store.folder


@pytest.mark.parametrize(("memory_bytes", "kind"), [(math.inf, np.ndarray), (1000, StoredRows)])
def test_rows_beyond_memory_stay_in_the_store(photos, settings, memory_bytes, kind):
    """Rows are in memory unless they take more than the limit."""
    assert isinstance(read_rows(scan(photos), "avg", settings, memory_bytes=memory_bytes).labelled.train.X, kind)
