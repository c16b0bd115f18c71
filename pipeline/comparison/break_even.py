"""Accuracy and seconds of regimes, and when a cached regime breaks even. Arithmetic on finished trainings."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.comparison.regimes import REGIMES
from pipeline.tasks.scores import Scores

_LIVE_COUNTERPARTS = {"linear": "endtoend", "dense": "endtoend", "cached-finetune": "finetune"}


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
    """Cost of its cached rows; 0 for live regimes, None if it is not known."""

    trainable_params: int

    @property
    def total_seconds(self) -> float:
        """Training and extraction."""
        return self.training_seconds + (self.extraction_seconds or 0.0)

    @property
    def overfitting_gap(self) -> float:
        """Training accuracy minus validation accuracy."""
        return self.scores["train"].main - self.scores["validation"].main

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        validation, test = self.scores["validation"], self.scores.get("test")
        return {
            "regime": self.regime,
            "what": REGIMES.get(self.regime, self.regime),
            "score": validation.main_name,
            "validation": validation.main,
            "ci95": list(validation.ci95),
            "test": test.main if test else None,
            "overfitting_gap": self.overfitting_gap,
            "training_seconds": self.training_seconds,
            "extraction_seconds": self.extraction_seconds,
            "total_seconds": self.total_seconds,
            "seconds_per_epoch": self.seconds_per_epoch,
            "trainable_params": self.trainable_params,
            "run": self.run,
        }


@dataclass(frozen=True)
class BreakEven:
    """When a cached regime, extraction included, costs less than a live one."""

    against: str
    """The live regime."""

    heads: int | None
    """Number of trainings; None: never."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def describe(self, regime: str) -> str:
        """One sentence on the cached regime of this name."""
        if self.heads is None:
            return f"{regime} never breaks even here, compared with {self.against}."
        return (
            f"{regime} breaks even after {self.heads} training{'s' * (self.heads != 1)}, compared with {self.against}."
        )


def break_even(results: Sequence[RegimeResult]) -> dict[str, BreakEven]:
    """After how many trainings each cached regime breaks even.

    With extraction E, a cached training c and a live training l seconds each, that is the smallest n with E + n c <= n l; there
    is none where a cached training is not faster. A regime is compared with its live counterpart, or, if that was not run, with
    the cheapest live regime.

    Returns:
        One entry per cached regime; empty without a live regime.
    """
    live = {result.regime: result for result in results if result.extraction_seconds == 0}
    if not live:
        return {}
    cheapest = min(live.values(), key=lambda result: result.training_seconds)
    found = {}
    for cached in results:
        if cached.extraction_seconds:
            other = live.get(_LIVE_COUNTERPARTS.get(cached.regime, ""), cheapest)
            saved = other.training_seconds - cached.training_seconds
            found[cached.regime] = BreakEven(other.regime, times_until_paid(cached.extraction_seconds, saved))
    return found


def times_until_paid(cost: float, saved: float) -> int | None:
    """How many times `saved` must be saved until it adds up to `cost`: at least 1; None if nothing is saved."""
    return max(1, math.ceil(cost / saved)) if saved > 0 else None
