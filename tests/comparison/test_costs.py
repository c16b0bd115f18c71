"""Seconds per image, measured."""

from pipeline.bases.find import find_base
from pipeline.bases.network import build_base
from pipeline.comparison.costs import measure_costs
from pipeline.stage_two.spec import parse_layers


def test_both_sides_of_the_cut_are_timed():
    """Trunk, training step and forward pass take time, and a step takes longer than the forward pass that is part of it."""
    base = build_base(find_base("squeezenet"), 48)
    found = measure_costs(base, "fire9_squeeze1x1", parse_layers("dense:8,relu"), 2)

    assert found.trunk > 0
    assert found.step > found.infer > 0
