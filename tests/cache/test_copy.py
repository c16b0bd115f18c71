"""Rows that one store takes from another."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.cache import copy as module
from pipeline.cache.copy import copy_rows
from pipeline.cache.shard import read_provenance
from pipeline.cache.store import Store
from pipeline.errors import MissingRowsError
from pipeline.images.decoding.decoder import Decoder
from tests.cache.samples import RECIPE, fill, make_keys, make_rows

OTHER = replace(RECIPE, decoder=Decoder(150, "box"))


@pytest.fixture
def stores(tmp_path):
    """Twenty rows in two shards, and another store that has two of them."""
    source, target = Store(tmp_path, RECIPE), Store(tmp_path, OTHER)
    for rows in (range(12), range(12, 20)):
        source.append(make_keys(rows), make_rows(rows), {"engine": "test", "seconds": f"{len(rows) / 2:.1f}"})
    fill(target, range(2))
    return source, target


def test_rows_that_are_missing_are_copied(stores, monkeypatch):
    """Bit for bit, whatever the size of the new shards; those that are there are left alone."""
    source, target = stores
    monkeypatch.setattr(module, "FULL_ROWS", 5)
    keys = make_keys([19, 0, 1, *range(4, 14)])

    assert copy_rows(keys, source, target) == 11
    np.testing.assert_array_equal(target.read(keys), make_rows([19, 0, 1, *range(4, 14)]))
    assert len(target.shard_paths()) == 1 + 3
    assert copy_rows(keys, source, target) == 0


def test_shard_records_source_and_cost(stores):
    """A row costs what it took to compute it; the copy itself costs nothing."""
    source, target = stores
    before = set(target.shard_paths())
    copy_rows(make_keys(range(2, 12)), source, target)
    (path,) = set(target.shard_paths()) - before

    assert read_provenance(path) == {"engine": "test", "from": source.name, "seconds": "5.000"}


def test_row_that_the_source_lacks_is_an_error(stores):
    """Nothing is copied then."""
    source, target = stores
    with pytest.raises(MissingRowsError):
        copy_rows(make_keys([5, 30]), source, target)

    assert len(target) == 2
