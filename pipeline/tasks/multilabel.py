"""Several labels for each image; answers may be unknown.

The labels of an image as one text: `cat|indoor`, `(none)` if it has none, and `?dog` for a label of which it is not known.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.tasks.label_scores import LabelScores, binary_loss, score_labels
from pipeline.tasks.task import Double, Judged, Outputs, Problem, Targets, Task

SEPARATOR, UNKNOWN, NOTHING = "|", "?", "(none)"

HALF = 0.5
"""The threshold of a label of which validation has no positive or no negative image."""


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

    def settled(self, outputs: Outputs, y: Targets) -> Self:
        """With the threshold of each label that has the largest F1 on validation."""
        return replace(self, thresholds=tuple(best_threshold(p, t) for p, t in zip(outputs.T, y.T, strict=True)))

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "thresholds": list(self.thresholds)}

    @classmethod
    def from_dict(cls, names: tuple[str, ...], values: Mapping[str, Any]) -> Self:
        thresholds = tuple(float(value) for value in values.get("thresholds", ()))
        if thresholds and (len(thresholds) != len(names) or not all(0 <= value <= 1 for value in thresholds)):
            raise ValueError(f"thresholds are {len(names)} probabilities; received {thresholds}")
        return cls(names, thresholds)


def parts_of(text: str) -> list[str]:
    """The labels in a text, with `?` before unknown ones."""
    return [] if text == NOTHING else text.split(SEPARATOR)


def best_threshold(probabilities: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """The threshold with the largest F1, between two probabilities; 1/2 if all known answers are equal.

    Args:
        probabilities: (N,).
        y: 1, 0, or NaN where it is not known, (N,).
    """
    known = np.isfinite(y)
    p, true = probabilities[known].astype(np.float64), y[known] == 1
    if not 0 < true.sum() < len(true):
        return HALF
    order = np.argsort(-p, kind="stable")
    hits, taken = np.cumsum(true[order]), np.arange(1, len(p) + 1)
    f1 = 2 * hits / (taken + true.sum())
    p = p[order]
    is_end = np.append(p[:-1] > p[1:], True)
    best = int(np.flatnonzero(is_end)[f1[is_end].argmax()])
    below = p[best + 1] if best + 1 < len(p) else 0.0
    return float((p[best] + below) / 2)
