"""Rows of several stores side by side."""

import numpy as np

from pipeline.cache.join import join_rows
from pipeline.cache.shard import read_provenance
from pipeline.cache.store import Store, row_keys
from tests.cache.samples import RECIPE

DIGESTS = [bytes([number]) * 32 for number in range(4)]


def make_store(folder, width, digests):
    """Rows of a 2 x 2 grid with so many channels."""
    store = Store(folder, RECIPE)
    rows = np.random.default_rng(width).normal(size=(len(digests), 2, 2, width)).astype(np.float32)
    store.append(row_keys(digests), rows, {"engine": "tensorflow", "seconds": f"{len(digests)}"})
    return store


def test_rows_that_all_have_are_joined(tmp_path):
    """Pooled; with the sum of what they cost, and where they come from. A second time there is nothing to do."""
    first, second = make_store(tmp_path / "a", 3, DIGESTS[:3]), make_store(tmp_path / "b", 5, DIGESTS[1:])
    target = Store(tmp_path / "c", RECIPE)
    keys = row_keys(DIGESTS)

    assert join_rows(keys, [first, second], target) == 2
    assert join_rows(keys, [first, second], target) == 0

    shared = row_keys(DIGESTS[1:3])
    expected = [store.read(shared, pooling="avg") for store in (first, second)]
    np.testing.assert_array_equal(target.read(shared), np.concatenate(expected, axis=1))
    provenance = read_provenance(target.shard_paths()[0])
    assert float(provenance["seconds"]) == 2 * (1 + 1)
    assert provenance["from"] == f"{first.name} + {second.name}"
