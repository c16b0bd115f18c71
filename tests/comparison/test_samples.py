"""Measurements on a sample, by an engine without a network and in this process."""

import time

import pytest

from pipeline.cache.store import Store
from pipeline.comparison import samples as module
from pipeline.comparison.samples import decoding_seconds, measure_sample
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Contents, Manifest
from pipeline.settings import Settings
from pipeline.stage_one.computing.pace import measure_pace
from tests.calls import read as scan
from tests.faults.child import SMALL, Averages


def measure_first(part, items, recipe, folder, make, settings, num_classes):
    """The pace without a head, which would need a network."""
    return measure_pace(part, items, recipe, folder, make, settings.compute.batch_size), (num_classes, 0.0)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """One row per batch; what would run in another process runs here."""
    monkeypatch.setattr(module, "run_apart", lambda function, *arguments: function(*arguments))
    monkeypatch.setattr(module, "make_engine", lambda *given: Averages())
    monkeypatch.setattr(module, "_measure_first", measure_first)
    monkeypatch.setattr(module, "_MAX_ROWS", 12)
    monkeypatch.setattr(module, "_LONG_SECONDS", 0)
    return Settings.of(cache=tmp_path / "cache", batch_size=1)


def test_rows_of_the_sample_are_kept(photos, settings):
    """They are not computed again by stage one, and a stored row is that of its image."""
    steps = []
    done = measure_sample(
        scan(photos), SMALL, 48, settings, is_synthetic=False, on_process=lambda: steps.append("process")
    )

    assert (done.pace.engine, done.row_shape, done.sample.row_bytes) == ("averages", (2, 2, 3), 48)
    store = Store(settings.paths.cache, SMALL)
    assert len(store) == 16  # 4 by the first process, 12 by the second
    assert (done.left.store, done.left.rows) == (str(store.folder), 16)
    assert done.sample.stored_bytes > 0
    assert done.sample.once_seconds >= 0
    assert steps == ["process", "process"]


def test_short_work_is_forecast_from_few_rows(photos, settings, monkeypatch):
    """What takes less than two minutes is measured by one process: a second one would take about as long as the work."""
    monkeypatch.setattr(module, "_LONG_SECONDS", 120.0)
    done = measure_sample(scan(photos), SMALL, 48, settings, is_synthetic=False)

    assert (done.pace.num_rows, len(Store(settings.paths.cache, SMALL))) == (4, 4)
    assert done.sample.once_seconds == 0


def test_no_more_rows_are_made_than_are_forecast(photos, settings, monkeypatch):
    """A plan for three images makes their three rows, which stage one then finds; a second plan makes them again, for nothing else."""
    monkeypatch.setattr(module, "_LONG_SECONDS", 120.0)
    few = scan(photos).select(range(3))
    first, second = (measure_sample(few, SMALL, 3, settings, is_synthetic=False) for _ in range(2))

    assert (first.pace.num_rows, first.left.rows) == (3, 3)
    assert (second.pace.num_rows, second.left) == (3, None)
    assert len(Store(settings.paths.cache, SMALL)) == 3
    assert [path.name for path in settings.paths.cache.iterdir() if path.is_dir()] == [SMALL.folder_name]


def test_rows_of_synthetic_images_leave_nothing(photos, settings):
    """They are of no use to any other command."""
    done = measure_sample(scan(photos), SMALL, 48, settings, is_synthetic=True)

    assert done.sample.rows_per_second > 0
    assert done.left is None
    assert list(settings.paths.cache.glob("*")) == []


def test_decoding_is_measured_per_image(monkeypatch, photos):
    """Images that cannot be decoded take their time too, and no more than 64 are read."""
    decoded = []
    monkeypatch.setattr(Decoder, "decode", lambda decoder, data: decoded.append(time.sleep(0.002)))
    sample = Manifest(
        images=Contents((b"no image",) * 100),
        positions=tuple(range(100)),
        names=tuple(map(str, range(100))),
        digests=(bytes(32),) * 100,
        labels=("a",) * 100,
        splits=("train",) * 100,
    )
    seconds = decoding_seconds(sample, Decoder(16))

    assert len(decoded) == 64
    assert 0 < seconds < 0.1


def test_image_that_cannot_be_decoded_ends_no_measurement(tmp_path):
    """Stage one will skip it."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").write_bytes(b"no image")

    assert decoding_seconds(scan(tmp_path), Decoder(16)) > 0
