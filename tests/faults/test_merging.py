"""A merge of shards is killed: every row is there, right, and once after the next merge."""

import signal
from pathlib import Path

import pytest

from pipeline.cache import compact as module
from pipeline.cache.audit import Verification, verify
from pipeline.cache.compact import compact
from pipeline.cache.store import Store
from tests.faults.child import SHARD_ROWS, SMALL, Averages, run
from tests.faults.conftest import NUM_PHOTOS, assert_nothing_wrong, assert_same, num_stored, start


# Twelve shards of eight rows become four: each a commit and three removals.
@pytest.mark.parametrize("step", [0, 1, 2, 4, 5, 15])
def test_killed_at_each_step_of_a_merge(
    step: int, many: Path, cache: Path, undisturbed: Store, monkeypatch: pytest.MonkeyPatch
):
    """No row is lost, none is computed again, and a later merge leaves what an undisturbed one does."""
    monkeypatch.setattr(module, "FULL_ROWS", 3 * SHARD_ROWS)
    store = run(many, cache, Averages()).store
    with start(store.folder, step, module="tests.faults.merging") as child:
        assert child.wait(timeout=60) == -signal.SIGKILL
    engine = Averages()
    run(many, cache, engine)

    assert assert_nothing_wrong(cache, undisturbed) == NUM_PHOTOS
    assert engine.num_images == 0
    assert num_stored(store) == NUM_PHOTOS + (4 - step % 4) % 4 * SHARD_ROWS
    done = compact(Store(cache, SMALL))
    assert done.shards_after == 4
    assert verify([store]) == Verification(NUM_PHOTOS)
    assert_same(cache, undisturbed)
