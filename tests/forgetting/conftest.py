"""Caches of their own for tests of forgetting."""

import pytest

from tests.forgetting.samples import copy_places


@pytest.fixture
def where(places, tmp_path):
    """A cache of its own, with a row of each of the photos."""
    return copy_places(places, tmp_path / "own")


@pytest.fixture
def beside(places, tmp_path):
    """Another one, for runs that never saw the images."""
    return copy_places(places, tmp_path / "beside")
