"""Rows of images that arrive one by one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.cache.store import Store, row_keys
from pipeline.images.manifest import Manifest
from pipeline.images.remote.arrivals import Arrival, Arrivals
from pipeline.settings import Settings
from pipeline.stage_one.arriving import ArrivingRows
from pipeline.stage_one.ensure import ensure
from pipeline.stage_one.recipes import make_recipe
from tests.calls import extract, scan


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    places = {"cache": tmp_path / "cache", "runs": tmp_path / "runs"}
    return Settings.of(base="squeezenet", size=48, weights="random", batch_size=8, **places)


@pytest.fixture(scope="module")
def manifest(photos: Path) -> Manifest:
    """12 images."""
    return scan(photos / "validation")


def arrive(manifest: Manifest, settings: Settings, pooling: str = "none") -> tuple[ArrivingRows, list[int]]:
    """Let all images of a manifest arrive, the first one twice; what was made, and the numbers of those that were dropped."""
    dropped: list[int] = []
    rows = [*range(len(manifest)), 0]
    arrivals = Arrivals(len(rows), (), read=lambda number: manifest.read(rows[number]), drop=dropped.append)
    for number, row in enumerate(rows):
        arrivals.put(Arrival(number, manifest.digests[row]))
    arrivals.end()
    arriving = ArrivingRows(settings, pooling)
    arriving(arrivals)
    return arriving, dropped


def store_of(settings: Settings, manifest: Manifest, pooling: str = "none") -> Store:
    return Store(settings.paths.cache, make_recipe(manifest, settings)[0].with_pooling(pooling))


def test_rows_are_those_of_ensure(manifest, settings, tmp_path):
    """The same rows as those of files; a copy is computed once, and `ensure` counts what was made and makes nothing."""
    arriving, dropped = arrive(manifest, settings)
    found = ensure(arriving.noted(manifest), make_recipe(manifest, settings)[0], settings)
    direct = extract(manifest, settings=settings.with_changes(cache=tmp_path / "direct"))

    assert dropped == [12]
    assert (found.num_rows, found.num_new, found.engine) == (12, 12, direct.engine)
    assert found.manifest.early is None, "a second use of the manifest has nothing new"
    np.testing.assert_allclose(found.store.read(found.keys()), direct.store.read(direct.keys()), atol=1e-5)


def test_rows_that_are_there_are_not_computed_again(manifest, settings):
    """Only images without a row are read; where all have one, nothing is locked, and no network is loaded."""
    half = manifest.select(range(6))
    extract(half, settings=settings)
    arriving, dropped = arrive(manifest, settings)
    assert arriving.early.num_rows == 6
    assert sorted(dropped) == [0, 1, 2, 3, 4, 5, 12]

    arriving, dropped = arrive(manifest, settings)
    assert arriving.early is None
    assert len(dropped) == 13


def test_images_that_cannot_be_decoded_are_left_to_ensure(manifest, settings):
    """They do not stop the others, and are listed with their reason as always."""
    digests = list(manifest.digests)
    broken = replace(manifest, images=_Broken(manifest.images, manifest.positions[3]), digests=tuple(digests))
    arriving, _ = arrive(broken, settings)
    found = ensure(arriving.noted(broken), make_recipe(manifest, settings)[0], settings)

    assert arriving.early.num_rows == 11
    assert [entry.path for entry in found.manifest.skipped] == [manifest.names[3]]


class _Broken:
    """Images of which one has other bytes than were announced."""

    def __init__(self, images, position):
        self.images, self.position = images, position

    def read(self, position):
        return b"nothing" if position == self.position else self.images.read(position)


@pytest.mark.parametrize(
    "changes",
    [{"preprocess": "standardize"}, {"shared": "/nowhere"}, {"backend": "loky"}, {"base": "squeezenet+mobilenetv2"}],
)
def test_what_needs_all_images_is_left_to_ensure(manifest, settings, changes):
    """Statistics of all images, rows that may be fetched instead, workers, and joined bases."""
    arriving, _ = arrive(manifest, settings.with_changes(**changes))

    assert arriving.early is None
    assert not settings.paths.cache.exists()


def test_rows_of_another_pooling_may_serve(manifest, settings):
    """Where pooled rows of these images are there, it is for `ensure` to say whether they are enough."""
    extract(manifest, pool="avg", settings=settings)

    assert arrive(manifest, settings)[0].early is None
    assert not store_of(settings, manifest).has(row_keys(manifest.digests)).any()


def test_settings_that_were_not_given_are_those_of_stored_rows(manifest, settings):
    """As without fetching: images that are new get rows of the settings that the others have."""
    extract(manifest.select(range(6)), settings=settings)
    plain = replace(settings, given=settings.given - {"size"}, features=replace(settings.features, size=None))
    arriving, _ = arrive(manifest, plain)

    assert arriving.early.num_rows == 6
    assert store_of(settings, manifest).has(row_keys(manifest.digests)).all()
