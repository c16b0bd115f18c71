"""The guide with four scenarios."""

import pytest

from pipeline.comparison.advice import Evidence, advise_regime

LAYERS = [f"layer{k}" for k in range(10)]


@pytest.mark.parametrize(
    ("images", "early", "late", "regime", "first"),
    [
        (100, 0.6, 0.9, "head only", None),
        (1000, 0.6, 0.9, "head only", None),
        (5000, 0.6, 0.9, "fine-tune the last part", "layer7"),
        (100, 0.8, 0.7, "fine-tune the last part", "layer4"),
        (100, 0.37, 0.43, "fine-tune the last part", "layer4"),
        (5000, 0.8, 0.7, "fine-tune everything", "layer0"),
    ],
)
def test_the_guide_has_four_scenarios(images, early, late, regime, first):
    """Few or many, similar or different: each has its regime, its share of frozen layers, and reasons in words."""
    advice = advise_regime(Evidence(images, early, late, 0.5, 0.7), LAYERS)

    assert (advice.regime, advice.first) == (regime, first)
    assert advice.frozen_share == (int(first.removeprefix("layer")) / 10 if first else 1.0)
    assert len(advice.reasons) == 3
    assert advice.base_rate is None or advice.base_rate < advice.head_rate


@pytest.mark.parametrize(
    ("images", "late", "summary"),
    [
        (100, 0.9, "Few images, similar to ImageNet. Keep the network fixed and train only a head."),
        (
            5000,
            0.9,
            "Many images, similar to ImageNet. Keep the first 70% of the network fixed, and fine-tune from layer7 on.",
        ),
        (
            100,
            0.5,
            "Few images, different from ImageNet. Keep the first 40% of the network fixed, and fine-tune from layer4 on.",
        ),
        (5000, 0.5, "Many images, different from ImageNet. Fine-tune the whole network."),
    ],
)
def test_summary_says_what_to_do(images, late, summary):
    """In words, for each scenario."""
    assert advise_regime(Evidence(images, 0.6, late, 0.5, None), LAYERS).summary == summary


def test_a_base_without_a_top_gives_no_third_reason():
    """Its confidence is unknown."""
    assert len(advise_regime(Evidence(100, 0.6, 0.9, 0.5, None), LAYERS).reasons) == 2
