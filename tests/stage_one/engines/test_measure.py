"""How two ways to run a network are compared."""

import numpy as np
import pytest

from pipeline.stage_one.engines import measure

PIXELS = np.zeros((2, 4, 4, 3), np.uint8)


def test_what_else_runs_meanwhile_does_not_decide(monkeypatch):
    """Another program slows down a call of either; each way's best counts, and a single call never does."""
    seconds = {"first": iter([9.0, 1.2, 1.5, 1.2, 1.3]), "second": iter([0.6, 7.0, 8.0, 0.7, 9.0])}
    monkeypatch.setattr(measure, "seconds_per_call", lambda run, *_: next(seconds[run]))

    assert measure.gain(("first", 1), ("second", 2), PIXELS) == pytest.approx(2.0)


def test_a_slow_network_is_compared_once(monkeypatch):
    """Comparing is to take no longer than what it saves."""
    monkeypatch.setattr(measure, "_TURNS_SECONDS", 0.0)
    seconds = {"first": iter([3.0]), "second": iter([1.5])}
    monkeypatch.setattr(measure, "seconds_per_call", lambda run, *_: next(seconds[run]))

    assert measure.gain(("first", 1), ("second", 1), PIXELS) == 2.0
