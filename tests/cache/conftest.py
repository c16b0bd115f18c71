"""What tests of the cache share."""

from pathlib import Path

import pytest

from pipeline.cache.store import Store
from tests.cache.samples import HALF, RECIPE, fill


@pytest.fixture
def cache(tmp_path) -> Path:
    """A cache of two stores: one of two shards, one of one."""
    cache = tmp_path / "cache"
    fill(Store(cache, RECIPE), range(12), range(12, 20))
    fill(Store(cache, HALF), range(5))
    return cache
