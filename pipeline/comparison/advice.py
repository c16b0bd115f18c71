"""The guide with four scenarios: few or many images, similar to ImageNet or different, and what follows from that.

The published guide (few + similar: head only; many + similar: fine-tune, with 60 to 80 % kept frozen; few + different: fine-tune
the last part, with the first third to half frozen; many + different: fine-tune everything). Its two questions are answered by
measurement.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SMALL_IMAGES_PER_CLASS = 2000
"""With fewer training images per class a set counts as small: the published small sets have 170 to 1,000, the large one 9,300."""

SIMILAR_SHARE = 0.25
"""Images count as similar to ImageNet's if features of the last layer avoid at least this share of the errors that a linear head
makes on features of an early layer."""

_HEAD_RATE = 1e-3

_GUIDE = {
    "small, similar": ("head only", 1.0),
    "large, similar": ("fine-tune the last part", 0.7),
    "small, different": ("fine-tune the last part", 0.4),
    "large, different": ("fine-tune everything", 0.0),
}
"""Regime and share of frozen layers, by scenario."""


@dataclass(frozen=True)
class Evidence:
    """What was measured."""

    images_per_class: float
    """Mean number of training images per class."""

    early_accuracy: float
    """Cross-validated accuracy of a linear head on features of an early layer."""

    late_accuracy: float
    """The same on features of the last layer."""

    chance: float
    """Share of the most frequent class."""

    top_confidence: float | None
    """Mean probability of the most likely ImageNet class, by the pretrained top; None if there is no top."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "images_a_class": self.images_per_class,
            "early_accuracy": self.early_accuracy,
            "late_accuracy": self.late_accuracy,
            "chance": self.chance,
            "top_confidence": self.top_confidence,
        }


@dataclass(frozen=True)
class Recommendation:
    """What to train."""

    scenario: str
    """`small, similar` and so on."""

    regime: str
    """`head only`, `fine-tune the last part` or `fine-tune everything`."""

    frozen_share: float
    """Share of the base's layers with weights to keep frozen."""

    first: str | None
    """First layer to train; None for a head alone."""

    base_rate: float | None
    """Learning rate of the base's layers; None for a head alone."""

    head_rate: float
    """Learning rate of the head."""

    reasons: tuple[str, ...]
    """Sentences."""

    @property
    def summary(self) -> str:
        """The recommendation in two sentences."""
        size, likeness = self.scenario.split(", ")
        data = "Few" if size == "small" else "Many"
        network = "similar to ImageNet" if likeness == "similar" else "different from ImageNet"
        if self.first is None:
            return f"{data} images, {network}. Keep the network fixed and train only a head."
        if not self.frozen_share:
            return f"{data} images, {network}. Fine-tune the whole network."
        return (
            f"{data} images, {network}. Keep the first {self.frozen_share:.0%} of the network fixed, and fine-tune "
            f"from {self.first} on."
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "scenario": self.scenario,
            "regime": self.regime,
            "frozen_share": self.frozen_share,
            "first": self.first,
            "base_rate": self.base_rate,
            "head_rate": self.head_rate,
            "reasons": list(self.reasons),
            "summary": self.summary,
        }


def advise_regime(evidence: Evidence, layers: Sequence[str]) -> Recommendation:
    """Answer the guide's two questions, and look up the regime.

    Args:
        evidence: What was measured.
        layers: Layers with weights that training can start from, in graph order.
    """
    is_small = evidence.images_per_class < SMALL_IMAGES_PER_CLASS
    avoided = evidence.late_accuracy - evidence.early_accuracy
    is_similar = avoided > 0 and avoided >= SIMILAR_SHARE * (1 - evidence.early_accuracy)
    scenario = f"{'small' if is_small else 'large'}, {'similar' if is_similar else 'different'}"
    regime, share = _GUIDE[scenario]
    num_frozen = math.ceil(len(layers) * share)
    first = layers[num_frozen] if num_frozen < len(layers) else None
    # With the rate of a new head the pretrained layers would lose what they have learned.
    rate = None if first is None else 1e-5
    reasons = _reasons(evidence, is_small=is_small, is_similar=is_similar)
    return Recommendation(scenario, regime, num_frozen / len(layers), first, rate, _HEAD_RATE, reasons)


def _reasons(evidence: Evidence, *, is_small: bool, is_similar: bool) -> tuple[str, ...]:
    verdict = "suit these images" if is_similar else "help little, so these images differ from ImageNet's"
    size = (
        f"{evidence.images_per_class:,.0f} training images per class are {'few' if is_small else 'many'} "
        f"(fewer than {SMALL_IMAGES_PER_CLASS:,} are few)."
    )
    likeness = (
        f"A linear head reaches an accuracy of {evidence.late_accuracy:.3f} on features of the last layer and "
        f"{evidence.early_accuracy:.3f} on those of an early layer (chance: {evidence.chance:.3f}): the last layers {verdict}."
    )
    reasons = [size, likeness]
    if evidence.top_confidence is not None:
        reasons.append(
            f"The pretrained network's most likely class has a mean probability of {evidence.top_confidence:.2f}; "
            "on images like ImageNet's it is mostly above 0.5."
        )
    return tuple(reasons)
