"""Runs on the photos that all tests of this room share."""

import pytest

import pipeline
from tests.conftest import RANDOM


@pytest.fixture(scope="module")
def runs(photos, places):
    """By head: a run on average-pooled rows, on maxima, on the grid, and of neighbours."""
    return {
        "avg": pipeline.fit(photos, "ridge", name="avg", plots=False, **RANDOM, **places),
        "max": pipeline.fit(photos, "logreg:C=1", name="max", pool="max", plots=False, **RANDOM, **places),
        "none": pipeline.fit(photos, "ridge", name="none", pool="none", plots=False, **RANDOM, **places),
        "knn": pipeline.fit(photos, "knn:k=3", name="knn", plots=False, **RANDOM, **places),
        "dense": pipeline.fit(photos, "dense:4,relu", name="dense", epochs=2, plots=False, **RANDOM, **places),
    }
