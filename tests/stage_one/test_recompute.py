"""Rows that are computed again, by an engine without a network; with real ones in test_maintenance.py."""

import numpy as np
import pytest

from pipeline.cache.store import Store, row_keys
from pipeline.errors import MissingRowsError
from pipeline.settings import Settings
from pipeline.stage_one import recompute as module
from pipeline.stage_one.recompute import recompute
from tests.calls import read as scan
from tests.faults.child import SMALL, Averages, run


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Settings under which the engine of the samples computes rows."""
    monkeypatch.setattr(module, "make_recipe", lambda manifest, settings: (SMALL, None))
    monkeypatch.setattr(module, "make_engine", lambda *given: Averages())
    return Settings.of(cache=tmp_path / "cache")


def test_right_rows_do_not_differ(photos, settings):
    """As many as were asked for, or all."""
    run(photos, settings.paths.cache, Averages())
    found = recompute(scan(photos), 10, settings)

    assert (found.rows, found.largest_difference, found.bad) == (10, 0.0, ())
    assert recompute(scan(photos), 100, settings).rows == 48


def test_wrong_row_is_named(photos, settings):
    """A single value is enough."""
    manifest, store = scan(photos), Store(settings.paths.cache, SMALL)
    pixels = np.stack([SMALL.decoder.decode(manifest.read(row)) for row in range(48)])
    rows = Averages().features(pixels)
    rows[7, 0, 0, 0] *= 1.01
    store.append(row_keys(manifest.digests), rows, {})

    assert recompute(manifest, 48, settings).bad == (manifest.names[7],)


def test_rows_that_are_no_numbers_are_bad(photos, settings, monkeypatch):
    """Such a difference is not larger than the tolerance, and not smaller either."""

    class Broken(Averages):
        def features(self, inputs):
            return super().features(inputs) * np.float32(np.nan)

    run(photos, settings.paths.cache, Averages())
    monkeypatch.setattr(module, "make_engine", lambda *given: Broken())

    assert len(recompute(scan(photos), 5, settings).bad) == 5


def test_image_without_a_row_is_an_error(photos, settings):
    """Nothing is compared with nothing."""
    with pytest.raises(MissingRowsError, match="3 of 3 rows are not in"):
        recompute(scan(photos), 3, settings)
