"""Objects that are handed over as they arrive."""

import pytest

from pipeline.images.remote.arrivals import Arrival, Arrivals


def make_arrivals(*numbers):
    """Arrivals of these objects, and the numbers of those that are dropped."""
    dropped = []
    arrivals = Arrivals(len(numbers), (), read=lambda number: b"%d" % number, drop=dropped.append)
    for number in numbers:
        arrivals.put(Arrival(number, bytes(32)))
    return arrivals, dropped


def test_a_second_reader_goes_on_where_the_first_stopped():
    """Each object is given once, at most 32 at a time, and the end is remembered."""
    arrivals, _ = make_arrivals(*range(40))
    arrivals.end()

    assert [arrival.number for arrival in next(iter(arrivals))] == [*range(32)]
    assert [[arrival.number for arrival in arrived] for arrived in arrivals] == [[*range(32, 40)]]
    assert list(arrivals) == []


def test_a_pause_is_told():
    """A reader that has other work to do is not kept waiting for the next object."""
    arrivals, _ = make_arrivals(1)
    reader = iter(arrivals)

    assert [len(next(reader)), len(next(reader))] == [1, 0]


@pytest.mark.parametrize(
    ("works", "is_kept", "is_busy"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_fetching_is_busy_while_it_needs_the_processor(works, is_kept, is_busy, monkeypatch):
    """And while there is room; at first nobody knows. The processor's time is made up."""
    clock, on_processor = iter([10.0, 10.4, 12.0]), iter([5.0, 5.3, 6.9 if works else 5.9])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    monkeypatch.setattr("time.thread_time", lambda: next(on_processor))
    arrivals, _ = make_arrivals(1, 2)
    assert arrivals.is_busy

    arrivals.put(Arrival(3, bytes(32)), is_kept=is_kept)
    assert arrivals.is_busy == is_busy


def test_closed_arrivals_are_dropped():
    """Whatever was not taken is dropped, and nothing is given any more."""
    arrivals, dropped = make_arrivals(*range(35))
    next(iter(arrivals))
    arrivals.close()

    assert dropped == [32, 33, 34]
    assert list(arrivals) == []
