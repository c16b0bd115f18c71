"""The pace of a sample."""

import os
import resource

import pytest

from pipeline.cache.store import Store
from pipeline.errors import DataLayoutError
from pipeline.stage_one.computing.pace import measure_pace, steady_pace
from pipeline.stage_one.missing import Item
from tests.calls import read as scan
from tests.faults.child import SMALL, Averages

ROWS = range(32, 32 * 41, 32)


def test_pace_is_that_of_the_later_batches():
    """Ten slow batches at the beginning count as start, not as pace."""
    times = [5.0 + number if number < 10 else 15 + 0.5 * (number - 9) for number in range(40)]
    speed, begun = steady_pace(times, list(ROWS))

    assert speed == pytest.approx(64)
    assert begun + 40 * 32 / speed == pytest.approx(times[-1])


def test_batches_that_end_together_do_not_mislead():
    """Two at a time, a second for each two: 64 rows a second, whichever of them comes first."""
    times = [3 + (number + 2) // 2 for number in range(40)]
    speed, begun = steady_pace(times, list(ROWS))

    assert speed == pytest.approx(64, rel=0.01)
    assert begun == pytest.approx(3, abs=0.5)


def test_a_single_batch_has_a_pace_too():
    """There is no line through one point."""
    assert steady_pace([2.0], [8]) == (4.0, 0.0)


def test_sample_goes_the_whole_way(photos, tmp_path):
    """Its rows are in the store, in shards of two batches, and the engine's delay is what it says."""
    store, manifest = Store(tmp_path, SMALL), scan(photos)
    store.prepare()
    items = [Item(row, 0) for row in range(len(manifest))]
    pace = measure_pace(manifest, items, SMALL, store.folder, lambda: Averages(0.02), 4)

    assert (pace.engine, pace.num_rows, len(store)) == ("averages", 48, 48)
    assert len(store.shard_paths()) == 6
    assert 5 < pace.rows_per_second < 400  # 200 by the delay alone, thousands without it; a busy machine makes it less
    # The kernel keeps two accounts of the maximum, which differ by some pages.
    assert pace.peak_bytes == pytest.approx(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, rel=0.05)


def test_sample_of_nothing_readable_is_an_error(tmp_path):
    """The reason is told."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(os.urandom(50))
    store = Store(tmp_path / "cache", SMALL)
    store.prepare()
    manifest = scan(tmp_path)

    with pytest.raises(DataLayoutError, match="None of the sample's 1 images can be read: not an image"):
        measure_pace(manifest, [Item(0, 0)], SMALL, store.folder, Averages, 4)
