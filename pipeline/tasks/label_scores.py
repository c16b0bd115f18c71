"""Scores of several labels for each image. Answers that are not known are left out.

Letters: N images, L labels, B samples of a bootstrap.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.class_scores import LEAST_PROBABILITY
from pipeline.tasks.scores import Scores, area_under_roc, check_finite, draws, interval_of

Double = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LabelScore:
    """The scores of one label."""

    images: int
    """Images whose answer is known."""

    positive: int
    """Images that have the label."""

    threshold: float
    precision: float
    recall: float
    f1: float
    average_precision: float | None = None
    """None without a positive image."""

    roc_auc: float | None = None
    """None if all answers are equal."""


@dataclass(frozen=True, repr=False)
class LabelScores(Scores):
    """The scores of one split, where each image has several labels. The loss is the mean binary cross-entropy in nats."""

    main_name: ClassVar[str] = "mean_average_precision"
    main_words: ClassVar[str] = "mean average precision"

    mean_average_precision: float
    """Mean over the labels that have a positive image."""

    micro_f1: float
    """F1 of all answers together."""

    macro_f1: float
    """Mean F1 of the labels that occur, among the true or the predicted ones."""

    exact_match: float | None
    """Share of the images all of whose answers are right, among those whose answers are all known; None if there are none."""

    labels: Mapping[str, LabelScore]
    """By label."""

    @property
    def main(self) -> float:
        """The mean average precision."""
        return self.mean_average_precision

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; scores that do not apply are left out."""
        values = asdict(self) | {"ci95": list(self.ci95)}
        values["labels"] = {
            name: {key: value for key, value in each.items() if value is not None}
            for name, each in values["labels"].items()
        }
        return {self.main_name: values.pop(self.main_name), **_known(values)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        labels = {str(name): LabelScore(**each) for name, each in values["labels"].items()}
        given = {"exact_match": None, **values, "ci95": tuple(values["ci95"]), "labels": labels}
        scores = cls(**given)
        numbers = [*scores.ci95, scores.loss, scores.n, scores.main, scores.micro_f1, scores.macro_f1]
        check_finite([*numbers, scores.exact_match, *(v for each in labels.values() for v in asdict(each).values())])
        return scores

    def as_row(self) -> dict[str, object]:
        low, high = self.ci95
        row = {
            "images": self.n,
            "mean average precision": self.mean_average_precision,
            "95 % interval": f"{low:.3f} to {high:.3f}",
            "loss": self.loss,
            "micro F1": self.micro_f1,
            "macro F1": self.macro_f1,
            "exact match": self.exact_match,
        }
        return _known(row)

    def as_sentence(self) -> str:
        low, high = self.ci95
        exact = "" if self.exact_match is None else f", all labels right {self.exact_match:.4f}"
        return (
            f"Mean average precision {self.main:.4f} (95 % interval {low:.3f} to {high:.3f}), micro F1 {self.micro_f1:.4f}, "
            f"macro F1 {self.macro_f1:.4f}{exact}, log loss {self.loss:.4f}."
        )

    def name_rows(self) -> list[dict[str, object]]:
        """The scores of each label."""
        return [
            _known(
                {
                    "label": name,
                    "images": f"{each.positive:,} of {each.images:,}",
                    "average precision": each.average_precision,
                    "ROC AUC": each.roc_auc,
                    "threshold": each.threshold,
                    "precision": each.precision,
                    "recall": each.recall,
                    "F1": each.f1,
                }
            )
            for name, each in self.labels.items()
        ]


def score_labels(
    probabilities: NDArray[np.float32], y: NDArray[np.float32], names: Sequence[str], thresholds: Sequence[float]
) -> LabelScores:
    """All scores of one split.

    Args:
        probabilities: (N, L).
        y: 1, 0, or NaN where it is not known, (N, L).
        names: L names.
        thresholds: The probability from which a label is predicted, L of them.
    """
    known, true = np.isfinite(y), y == 1
    predicted = (probabilities >= np.asarray(thresholds, np.float32)) & known
    hits, num_true, num_predicted = (part.sum(axis=0) for part in (predicted & true, true, predicted))
    occurs = num_true + num_predicted > 0
    f1 = 2 * hits / np.maximum(num_true + num_predicted, 1)
    complete = known.all(axis=1)
    means, interval = _mean_average_precision(probabilities, y)
    return LabelScores(
        n=len(y),
        loss=binary_loss(probabilities, y),
        ci95=interval,
        mean_average_precision=float(np.nanmean(means)) if np.isfinite(means).any() else 0.0,
        micro_f1=float(2 * hits.sum() / max(num_true.sum() + num_predicted.sum(), 1)),
        macro_f1=float(f1[occurs].mean()) if occurs.any() else 0.0,
        exact_match=float((predicted == true)[complete].all(axis=1).mean()) if complete.any() else None,
        labels={
            name: LabelScore(
                images=int(known[:, k].sum()),
                positive=int(num_true[k]),
                threshold=float(thresholds[k]),
                precision=float(hits[k] / max(num_predicted[k], 1)),
                recall=float(hits[k] / max(num_true[k], 1)),
                f1=float(f1[k]),
                average_precision=None if math.isnan(means[k]) else float(means[k]),
                roc_auc=_roc_auc(probabilities[known[:, k], k], true[known[:, k], k]),
            )
            for k, name in enumerate(names)
        },
    )


def binary_loss(probabilities: NDArray[np.float32], y: NDArray[np.float32]) -> float:
    """Mean binary cross-entropy in nats over the answers that are known; 0 if there are none."""
    known = np.isfinite(y)
    picked = np.where(y == 1, probabilities, 1 - probabilities)[known].astype(np.float64)
    return 0.0 - float(np.log(np.clip(picked, LEAST_PROBABILITY, 1)).mean()) if len(picked) else 0.0


def average_precision(scores: NDArray[Any], y: NDArray[np.bool_], counts: NDArray[Any] | None = None) -> Double:
    """Mean precision at the positive images, by descending score: sum of (R_i - R_(i-1)) P_i over the distinct scores.

    The definition of scikit-learn's `average_precision_score` (Manning, Raghavan & Schütze 2008, section 8.4).

    Args:
        scores: (n,).
        y: Whether each image has the label, (n,).
        counts: How often each image counts in each sample, (B, n); None: once.

    Returns:
        Of each sample, (B,), or (1,); NaN without a positive image.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    counts = np.ones((1, len(scores)), np.int64) if counts is None else counts
    counts = counts[:, order]
    positive = np.cumsum(counts * y[order], axis=1)[:, ends]
    total = np.cumsum(counts, axis=1)[:, ends]
    gained = np.diff(positive, axis=1, prepend=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Double = (gained * positive / np.maximum(total, 1)).sum(axis=1) / positive[:, -1]
    return found


def _mean_average_precision(
    probabilities: NDArray[np.float32], y: NDArray[np.float32]
) -> tuple[Double, tuple[float, float]]:
    """Average precision of each label, (L,), NaN without a positive image, and the interval of their mean."""
    samples = draws(len(y))
    points, drawn = [], []
    for scores, answers in zip(probabilities.T, y.T, strict=True):
        known = np.isfinite(answers)
        if not (answers == 1).any():
            points.append(math.nan)
            continue
        true = answers[known] == 1
        points.append(float(average_precision(scores[known], true)[0]))
        drawn.append(average_precision(scores[known], true, samples[:, known]))
    if not drawn:
        return np.array(points), (0.0, 1.0)
    with np.errstate(invalid="ignore"):
        means = np.nanmean(np.stack(drawn), axis=0)
    return np.array(points), interval_of(means)


def _roc_auc(scores: NDArray[np.float32], y: NDArray[np.bool_]) -> float | None:
    return area_under_roc(scores, y.astype(np.int64)) if 0 < y.sum() < len(y) else None


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
