"""Rows from rows of an earlier layer, by an engine without a network; with real layers in test_ensure.py."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.cache.shard import read_provenance
from pipeline.cache.store import Store
from pipeline.stage_one.reuse import derive as module
from pipeline.stage_one.reuse.derive import derive
from tests.cache.samples import RECIPE, fill, make_keys, make_rows

LATER = replace(RECIPE, cut="fc1", trunk_digest="cd" * 32)


class Doubling:
    """Stands for the layers between the two."""

    concurrency = 1

    def __init__(self):
        self.sizes = []

    def __call__(self, num_rows):
        self.num_rows = num_rows
        return self

    @property
    def provenance(self):
        return {"engine": "doubling"}

    def features(self, inputs):
        self.sizes.append(len(inputs))
        return 2 * inputs


@pytest.fixture
def stores(tmp_path):
    """Twenty rows in two shards, and a store of a later layer that has two of them."""
    earlier, later = Store(tmp_path, RECIPE), Store(tmp_path, LATER)
    fill(earlier, range(12), range(12, 20))
    fill(later, range(2))
    return earlier, later


def test_missing_rows_that_have_an_earlier_one_are_made(stores):
    """Each from its own; those that are there, and those that nothing leads to, are left alone."""
    earlier, later = stores
    engine = Doubling()
    done = derive(make_keys([0, 19, 5, 5, 30]), earlier, later, engine, batch_size=4)

    assert done == (2, "doubling")
    assert (engine.num_rows, engine.sizes) == (2, [2])
    np.testing.assert_array_equal(later.read(make_keys([5, 19])), 2 * make_rows([5, 19]))
    assert not later.has(make_keys([30])).any()


def test_engine_sees_whole_batches(stores, monkeypatch):
    """However few rows are read at once, so that the values are those of a whole run."""
    earlier, later = stores
    monkeypatch.setattr(module, "_BLOCK_BYTES", 6 * 80)
    engine = Doubling()
    derive(make_keys(range(20)), earlier, later, engine, batch_size=4)

    assert engine.sizes == [4, 4, 4, 4, 2]
    np.testing.assert_array_equal(later.read(make_keys(range(2, 20))), 2 * make_rows(range(2, 20)))


def test_shard_names_where_its_rows_come_from(stores):
    """Beside the engine, so that a store that others were derived from can be told."""
    earlier, later = stores
    before = set(later.shard_paths())
    derive(make_keys(range(20)), earlier, later, Doubling())
    (path,) = set(later.shard_paths()) - before
    provenance = read_provenance(path)

    assert (provenance["engine"], provenance["from"]) == ("doubling", earlier.name)


def test_nothing_to_derive_loads_no_layers(stores):
    """Rows that are there or have no earlier one."""

    def refuse(num_rows):
        raise AssertionError("layers were loaded")

    assert derive(make_keys([0, 1, 30]), *stores, refuse) == (0, None)
