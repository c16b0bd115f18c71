"""The four-scenario guide: small or large, like ImageNet or very different, and what follows from it.

The published guide (small + similar: head only; large + similar: fine-tune, 60 to 80 % kept frozen;
small + different: fine-tune the last part, first third to half frozen; large + different: fine-tune
everything) with its two questions answered by measurement.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

SMALL_IMAGES_A_CLASS = 2000
"""Below so many training images a class a set counts as small: the published small sets have 170 to 1,000, the large one 9,300."""

SIMILAR_SHARE = 0.25
"""The last layers suit the photographs if a linear head makes fewer mistakes on them than on early ones, by this share."""

_HEAD_RATE = 1e-3


@dataclass(frozen=True)
class Evidence:
    """What was measured."""

    images_a_class: float
    """Training images for each class, on average."""

    early_accuracy: float
    """Cross-validated accuracy of a linear head on features of an early layer."""

    late_accuracy: float
    """The same on the last layer."""

    chance: float
    """Share of the largest class."""

    top_confidence: float | None
    """Mean probability that the pretrained top gives to its first answer; None if there is no top to ask."""


@dataclass(frozen=True)
class Recommendation:
    """What to do."""

    scenario: str
    """`small, similar` and so on."""

    regime: str
    """`head only`, `fine-tune the last part` or `fine-tune everything`."""

    frozen_share: float
    """Share of the base's layers with weights to keep frozen."""

    first: str | None
    """First layer to train; None for a head alone."""

    base_rate: float | None
    head_rate: float
    reasons: tuple[str, ...]


def advise_regime(evidence: Evidence, layers: Sequence[str]) -> Recommendation:
    """Answer the guide's two questions and read off the regime.

    Args:
        evidence: What was measured.
        layers: Layers with weights that training can start from, in graph order.
    """
    is_small = evidence.images_a_class < SMALL_IMAGES_A_CLASS
    mended = evidence.late_accuracy - evidence.early_accuracy
    is_similar = mended > 0 and mended >= SIMILAR_SHARE * (1 - evidence.early_accuracy)
    reasons = [
        (
            f"{evidence.images_a_class:,.0f} training images a class: {'small' if is_small else 'large'} "
            f"(the line is drawn at {SMALL_IMAGES_A_CLASS:,})."
        ),
        (
            f"A linear head reaches {evidence.late_accuracy:.3f} on the last layer and {evidence.early_accuracy:.3f} on an early "
            f"one (chance {evidence.chance:.3f}): the base's last layers "
            f"{'suit these photographs' if is_similar else 'bring little for these photographs, which differ from ImageNet'}."
        ),
    ]
    if evidence.top_confidence is not None:
        reasons.append(
            f"The pretrained network's first answer has a mean probability of {evidence.top_confidence:.2f}; "
            "on photographs like ImageNet's it is mostly above 0.5."
        )
    scenario = f"{'small' if is_small else 'large'}, {'similar' if is_similar else 'different'}"
    regime, share = {
        "small, similar": ("head only", 1.0),
        "large, similar": ("fine-tune the last part", 0.7),
        "small, different": ("fine-tune the last part", 0.4),
        "large, different": ("fine-tune everything", 0.0),
    }[scenario]
    num_frozen = math.ceil(len(layers) * share)
    first = layers[num_frozen] if num_frozen < len(layers) else None
    # Unfrozen layers take a smaller rate than the new head, or they forget before it has learned.
    rate = None if first is None else 1e-5
    return Recommendation(scenario, regime, num_frozen / len(layers), first, rate, _HEAD_RATE, tuple(reasons))
