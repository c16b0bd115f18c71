"""Seconds per image, measured."""

from pipeline.bases.find import find_base
from pipeline.bases.network import build_base
from pipeline.comparison import costs
from pipeline.comparison.costs import measure_costs
from pipeline.stage_two.spec import parse_layers


def test_both_sides_of_the_cut_are_timed():
    """Trunk, training step and forward pass take time, and a step takes longer than the forward pass that is part of it."""
    base = build_base(find_base("squeezenet"), 48)
    found = measure_costs(base, "fire9_squeeze1x1", parse_layers("dense:8,relu"), 2)

    assert found.trunk > 0
    assert found.step > found.infer > 0


def test_a_known_side_is_not_timed(monkeypatch):
    """The trunk does not run where its seconds are known, and a slow call is not repeated."""
    calls = []
    monkeypatch.setattr(costs, "_ENOUGH_SECONDS", 1e-9)
    monkeypatch.setattr(costs, "compile_inference", lambda model: lambda rows: calls.append(rows.shape) or rows)
    base = build_base(find_base("squeezenet"), 48)
    found = costs.measure_costs(base, None, parse_layers("dense:8,relu"), 2, trunk_seconds=0.25)

    assert found.trunk == 0.25
    assert calls == [(32, 2, 2, 512)] * 2  # of the head alone: the call that compiles, and one that is timed
