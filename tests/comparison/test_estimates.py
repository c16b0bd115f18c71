"""Estimates from a sample."""

import pytest

from pipeline.comparison.estimates import HeadCosts, Sample, Work, estimate_stage_one, estimate_training

SAMPLE = Sample(
    rows_per_second=100.0,
    start_seconds=5.0,
    once_seconds=60.0,
    peak_bytes=1e9,
    shard_rows=64,
    row_bytes=1e6,
    stored_bytes=25_000.0,
)


def test_one_machine_takes_its_start_and_its_rows():
    """4,000 rows at 100 per second, without the seconds that are spent once per machine."""
    estimate = estimate_stage_one(SAMPLE, Work(num_rows=4000, workers=1, task_rows=250, shard_rows=256))

    assert estimate.seconds == 5 + 40
    assert estimate.as_dict()["hours"] == estimate.seconds / 3600
    assert estimate.gigabytes == pytest.approx(0.1)
    assert estimate.shards == 16
    # Four shards of 192 rows of a megabyte more than the sample had.
    assert estimate.memory_gigabytes == pytest.approx(1 + 4 * 0.192)


@pytest.mark.parametrize(
    ("workers", "task_rows", "seconds", "shards"),
    [(4, 1000, 15, 4), (3, 1000, 25, 4), (8, 1000, 15, 4), (4, 300, 17, 14)],
)
def test_workers_take_whole_tasks(workers, task_rows, seconds, shards):
    """The last task is waited for; more workers than tasks bring nothing; each task has a shard of its own."""
    estimate = estimate_stage_one(SAMPLE, Work(4000, workers, task_rows, shard_rows=1024))

    assert estimate.seconds == seconds
    assert estimate.shards == shards


def test_few_rows_take_no_more_memory_than_the_sample():
    """A shard holds no more rows than there are."""
    estimate = estimate_stage_one(SAMPLE, Work(num_rows=40, workers=1, task_rows=32, shard_rows=1024))

    assert estimate.memory_gigabytes == 1
    assert estimate.shards == 1


def test_rows_break_even_when_the_base_would_have_run_as_long():
    """100 s of stage one, 12 s of the base in an epoch: after 9 epochs, or the first head of 30, or 2 heads of 5."""
    costs = HeadCosts(num_train=1000, num_watched=200, epochs=30, step=0.002, infer=0.001, live=0.01)
    estimate = estimate_training(costs, 100.0)

    assert estimate.cached_epoch_seconds == pytest.approx(2.2)
    assert estimate.live_epoch_seconds == pytest.approx(14.2)
    assert (estimate.epochs, estimate.heads) == (9, 1)
    short = HeadCosts(1000, 200, 5, 0.002, 0.001, 0.01)
    assert estimate_training(short, 100.0).heads == 2
