"""Several labels for each image; answers may be unknown.

The labels of an image as one text: `cat|indoor`, `(none)` if it has none, and `?dog` for a label of which it is not known.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.tasks.calibration import calibration_error
from pipeline.tasks.label_scores import LabelScores, binary_loss, score_labels
from pipeline.tasks.operating import HALF, Goal
from pipeline.tasks.targets import Double, Outputs, Problem, Targets
from pipeline.tasks.task import Judged, Task

SEPARATOR, UNKNOWN, NOTHING = "|", "?", "(none)"

logger = logging.getLogger(__name__)

_LISTED = 5
"""Labels that a warning names."""


@dataclass(frozen=True)
class Multilabel(Task):
    """Any of L labels for each image."""

    thresholds: tuple[float, ...] = ()
    """The probability from which each label is predicted, L of them; empty: 1/2."""

    kind: ClassVar[str] = "multilabel"
    link: ClassVar[str] = "sigmoid"
    heads: ClassVar[tuple[str, ...]] = ("logreg", "svm", "ridge", "sgd", "knn")
    nouns: ClassVar[tuple[str, str]] = ("label", "labels")
    main_score: ClassVar[str] = LabelScores.main_name
    history_words: ClassVar[tuple[str, str]] = ("binary cross-entropy loss", "labels right")

    def encode(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """1 for the labels of an image, NaN where it is not known, otherwise 0, float32 (N, L)."""
        numbers = {name: number for number, name in enumerate(self.names)}
        y: NDArray[np.float32] = np.zeros((len(labels), len(self.names)), np.float32)
        for row, text in enumerate(labels):
            for part in parts_of(text):
                value, name = (np.nan, part[1:]) if part.startswith(UNKNOWN) else (1, part)
                if name not in numbers:
                    raise DataLayoutError(f"{name!r} is no label. Expected any of {', '.join(self.names)}.")
                y[row, numbers[name]] = value
        return y

    @staticmethod
    def names_in(label: str) -> tuple[str, ...]:
        return tuple(part for part in parts_of(label) if not part.startswith(UNKNOWN))

    def text(self, target: Any) -> str:
        pairs = zip(target, self.names, strict=True)
        found = [name if value == 1 else f"{UNKNOWN}{name}" for value, name in pairs if value != 0]
        return SEPARATOR.join(found) or NOTHING

    @property
    def cuts(self) -> NDArray[np.float32]:
        """The thresholds, float32 (L,)."""
        return np.array(self.thresholds or [HALF] * len(self.names), np.float32)

    def decide(self, outputs: Outputs) -> NDArray[np.float32]:
        return (outputs >= self.cuts).astype(np.float32)

    def cut_of(self, number: int) -> float:
        return float(self.cuts[number])

    def score(self, outputs: Outputs, y: Targets) -> LabelScores:
        return score_labels(outputs, y, self.names, self.cuts.tolist())

    def wrongness(self, outputs: Outputs, y: Targets) -> Double:
        """The largest distance of a probability from its threshold, among the answers that are wrong."""
        wrong = np.isfinite(y) & (self.decide(outputs) != y)
        far = np.where(wrong, np.abs(outputs.astype(np.float64) - self.cuts), -1.0).max(axis=1)
        return np.where(far >= 0, far, np.nan)

    def judge(self, outputs: Outputs, y: Targets) -> Judged:
        known = np.isfinite(y)
        hits = ((outputs >= HALF) == (y == 1))[known]
        return Judged(float(hits.mean()) if len(hits) else 0.0, binary_loss(outputs, y), hits)

    def judge_left_out(self, scores: Double, y: Targets) -> Judged:
        hits = ((scores >= 0) == (y == 1))[np.isfinite(y)]
        return Judged(float(hits.mean()) if len(hits) else 0.0, math.nan, hits)

    def columns(self, y: Targets) -> Double:
        """1 and -1, NaN where it is not known, (N, L)."""
        return 2 * y.astype(np.float64) - 1

    def problems(self, y: Targets) -> list[Problem]:
        """One against the rest, for each label."""
        known = [np.flatnonzero(np.isfinite(column)) for column in y.T]
        return [Problem(rows, y[rows, k].astype(np.int64)) for k, rows in enumerate(known)]

    def strata(self, y: Targets) -> NDArray[np.int64]:
        """The rarest label of each image, so that rare labels are spread; L for images without a label."""
        counts = (y == 1).sum(axis=0)
        order = np.argsort(counts, kind="stable")
        is_first = (y == 1)[:, order]
        found = order[is_first.argmax(axis=1)]
        return np.where(is_first.any(axis=1), found, len(self.names)).astype(np.int64)

    def check_goal(self, goal: Goal) -> None:
        """Every goal has its meaning, for each label."""

    def decided(self, outputs: Outputs, y: Targets, left_out: tuple[Outputs, Targets] | None) -> Self:
        """With the threshold of each label that the goal asks for; without a goal, the one with the largest F1."""
        del left_out
        goal = self.goal or Goal("f1")
        chosen = [goal.choose(p, t) for p, t in zip(outputs.T, y.T, strict=True)]
        missed = [
            f"{name} ({each.missed:.3f})"
            for name, each in zip(self.names, chosen, strict=True)
            if each.missed is not None
        ]
        if missed:
            more = f" and {len(missed) - _LISTED} more" if len(missed) > _LISTED else ""
            logger.warning(
                "No threshold reaches %s on validation for these labels, whose largest precision is used: %s%s.",
                goal,
                ", ".join(missed[:_LISTED]),
                more,
            )
        return replace(self, thresholds=tuple(each.value for each in chosen))

    def calibration_error(self, outputs: Outputs, y: Targets) -> float:
        """Mean of the errors of the labels' probabilities, over those with known answers."""
        known = np.isfinite(y)
        errors = [
            calibration_error(p[rows], t[rows] == 1)
            for p, t, rows in zip(outputs.T, y.T, known.T, strict=True)
            if rows.any()
        ]
        return float(np.mean(errors)) if errors else 0.0

    @property
    def named_thresholds(self) -> dict[str, float]:
        return dict(zip(self.names, self.thresholds, strict=False))

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"thresholds": list(self.thresholds)}

    @classmethod
    def from_dict(cls, names: tuple[str, ...], values: Mapping[str, Any]) -> Self:
        thresholds = tuple(float(value) for value in values.get("thresholds", ()))
        if thresholds and (len(thresholds) != len(names) or not all(0 <= value <= 1 for value in thresholds)):
            raise ValueError(f"thresholds are {len(names)} probabilities; received {thresholds}")
        return cls(names, thresholds, **cls.decisions_of(names, values))


def parts_of(text: str) -> list[str]:
    """The labels in a text, with `?` before unknown ones."""
    return [] if text == NOTHING else text.split(SEPARATOR)
