"""Computed rows that wait for their shard."""

import numpy as np
import pytest

from pipeline.stage_one.computing import pending as module
from pipeline.stage_one.computing.pending import Pending, rows_per_shard
from tests.cache.samples import make_keys, make_rows


class Sink:
    """Keeps what is committed, or is a full disk."""

    def __init__(self, *, is_full=False):
        self.shards, self.is_full = [], is_full

    def append(self, keys, features, provenance):
        if self.is_full:
            raise OSError(28, "No space left on device")
        self.shards.append((keys, features, provenance))


def add(pending, numbers):
    """Rows of these images."""
    pending.add(make_keys(numbers), make_rows(numbers))


def test_batches_become_one_shard_in_their_order():
    """What has been added since the last commit, with its provenance; a commit of nothing makes no shard."""
    sink = Sink()
    with Pending(sink) as pending:
        add(pending, range(4))
        add(pending, range(4, 6))
        pending.commit({"engine": "test"})
        pending.commit({"engine": "test"})
        add(pending, range(6, 7))
        pending.commit({"engine": "test"})

    assert [len(keys) for keys, _, _ in sink.shards] == [6, 1]
    np.testing.assert_array_equal(sink.shards[0][0], make_keys(range(6)))
    np.testing.assert_array_equal(sink.shards[0][1], make_rows(range(6)))
    assert sink.shards[0][2]["engine"] == "test"
    assert pending.num_committed == 7


def test_seconds_of_earlier_rows_are_counted():
    """A derived row took as long as the row that it comes from, and then its own time."""
    sink = Sink()
    with Pending(sink, row_seconds=100) as pending:
        add(pending, range(3))
        pending.commit({})

    assert 300 <= float(sink.shards[0][2]["seconds"]) < 330


def test_shard_that_cannot_be_written_is_an_error_at_the_end():
    """It is written beside other work, but the context does not end as if it had been; its rows are not counted."""
    pending = Pending(Sink(is_full=True))
    add(pending, range(3))
    pending.commit({})
    with pytest.raises(OSError, match="No space left"):
        pending.__exit__()

    assert pending.num_committed == 0


@pytest.mark.parametrize("limit", [("_SHARD_ROWS", 4), ("_SHARD_BYTES", 4 * 80), ("_SHARD_SECONDS", 0.0)])
def test_a_shard_is_due_at_each_limit(limit, monkeypatch):
    """Rows, bytes and seconds."""
    pending = Pending(Sink())
    add(pending, range(4))
    assert not pending.is_due()
    monkeypatch.setattr(module, *limit)

    assert pending.is_due()


def test_fewer_rows_can_be_asked_for():
    """A sample has small shards."""
    pending = Pending(Sink(), shard_rows=4)
    add(pending, range(3))
    assert not pending.is_due()
    add(pending, range(3, 4))

    assert pending.is_due()


@pytest.mark.parametrize(
    ("shape", "speed", "expected"),
    [((512,), 1e6, 1024), ((4, 4, 512), 1e6, 1024), ((7, 7, 1280), 1e6, 288), ((64, 64, 64), 1e6, 64), ((512,), 1, 64)],
)
def test_a_shard_is_due_at_whichever_comes_first(shape, speed, expected):
    """1,024 rows, 64 MiB, or a minute's rows, in whole batches."""
    assert rows_per_shard(shape, speed, 32) == expected
