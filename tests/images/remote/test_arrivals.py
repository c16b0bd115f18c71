"""Objects that are handed over as they arrive."""

from pipeline.images.remote.arrivals import Arrival, Arrivals


def make_arrivals(*numbers):
    """Arrivals of these objects, and the numbers of those that are dropped."""
    dropped = []
    arrivals = Arrivals(len(numbers), (), read=lambda number: b"%d" % number, drop=dropped.append)
    for number in numbers:
        arrivals.put(Arrival(number, bytes(32)))
    return arrivals, dropped


def test_a_second_reader_goes_on_where_the_first_stopped():
    """Each object is given once, and the end is remembered."""
    arrivals, _ = make_arrivals(4, 2, 7)
    arrivals.end()

    assert next(iter(arrivals)).number == 4
    assert [arrival.number for arrival in arrivals] == [2, 7]
    assert list(arrivals) == []


def test_a_pause_is_told():
    """A reader that has other work to do is not kept waiting for the next object."""
    arrivals, _ = make_arrivals(1)
    reader = iter(arrivals)

    assert (next(reader).number, next(reader)) == (1, None)


def test_closed_arrivals_are_dropped():
    """Whatever was not taken is dropped, and nothing is given any more."""
    arrivals, dropped = make_arrivals(1, 2, 3)
    next(iter(arrivals))
    arrivals.close()

    assert dropped == [2, 3]
    assert list(arrivals) == []
