"""Regimes side by side: what each costs and what it brings. Plain arithmetic on finished trainings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.stage_two.metrics import Scores

_OPPONENTS = {"linear": "endtoend", "dense": "endtoend", "cached-finetune": "finetune"}


@dataclass(frozen=True)
class RegimeResult:
    """One regime on one data set."""

    regime: str
    run: str
    scores: Mapping[str, Scores]
    """Scores by split."""

    training_seconds: float
    seconds_per_epoch: float | None
    extraction_seconds: float | None
    """What making its rows cost; 0 for live regimes, None if it is not known."""

    trainable_params: int

    @property
    def total_seconds(self) -> float:
        """Extraction included."""
        return self.training_seconds + (self.extraction_seconds or 0.0)

    @property
    def overfitting_gap(self) -> float:
        """Training accuracy minus validation accuracy."""
        return float(self.scores["train"].accuracy - self.scores["validation"].accuracy)

    def as_row(self) -> dict[str, Any]:
        """Plain values for a table."""
        validation, test = self.scores["validation"], self.scores.get("test")
        return {
            "regime": self.regime,
            "validation": validation.accuracy,
            "ci95": list(validation.ci95),
            "test": test.accuracy if test else None,
            "overfitting_gap": self.overfitting_gap,
            "training_seconds": self.training_seconds,
            "extraction_seconds": self.extraction_seconds,
            "total_seconds": self.total_seconds,
            "seconds_per_epoch": self.seconds_per_epoch,
            "trainable_params": self.trainable_params,
            "run": self.run,
        }


def break_even(outcomes: Sequence[RegimeResult]) -> dict[str, dict[str, Any]]:
    """How many heads must be trained before a cached regime, extraction included, costs less than its live opponent.

    With extraction E, a cached training c and a live training l seconds each, the smallest n with
    E + n c <= n l; None where a cached training is not faster.

    Returns:
        {against, heads} for each cached regime; the opponent is the cheapest live regime where its own was not run.
    """
    live = {outcome.regime: outcome for outcome in outcomes if outcome.extraction_seconds == 0}
    if not live:
        return {}
    cheapest = min(live.values(), key=lambda outcome: outcome.training_seconds)
    pairs = [
        (cached, live.get(_OPPONENTS.get(cached.regime, ""), cheapest))
        for cached in outcomes
        if cached.extraction_seconds
    ]
    return {
        cached.regime: {
            "against": opponent.regime,
            "heads": pays_after(cached.extraction_seconds or 0.0, opponent.training_seconds - cached.training_seconds),
        }
        for cached, opponent in pairs
    }


def pays_after(cost: float, saved: float) -> int | None:
    """After how many times of saving so much a cost is paid; None if nothing is saved."""
    return max(1, math.ceil(cost / saved)) if saved > 0 else None
