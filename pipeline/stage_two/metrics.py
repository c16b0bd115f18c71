"""Scores of predictions, with an interval on the accuracy.

They use numpy alone, because importing scikit-learn's metrics takes longer than fitting a linear head. A test compares the values
with those of scikit-learn.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.html import show_table

LEAST_PROBABILITY = 1e-7
"""Losses clip probabilities to this value, as Keras does: a probability of 0 for the true class costs 16.1 nats, not infinity."""

MAX_DENSE = 50
"""With more classes a confusion matrix is stored without its zeros: 1,200 classes have 1,440,000 cells, nearly all of them 0."""

_Z95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class Scores:
    """The scores of one split."""

    accuracy: float
    ci95: tuple[float, float]
    """95 % interval of the accuracy."""

    loss: float
    """Cross-entropy in nats."""

    n: int
    """Number of images."""

    macro_f1: float
    """Mean of the F1 scores of the classes that occur, among the true or the predicted ones."""

    recall: Mapping[str, float]
    """By class; 0 for the classes in `absent`, of which nothing is known."""

    precision: Mapping[str, float]
    """By class."""

    confusion: Sequence[Sequence[int]]
    """K x K. Rows: true class. Columns: predicted class."""

    roc_auc: float | None = None
    """Area under the ROC curve; two classes only."""

    top5: float | None = None
    """Share of images whose class is among the five most probable ones; more than five classes only."""

    absent: Sequence[str] | None = None
    """Classes without an image in this split; None if there are none."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; scores that do not apply are left out."""
        return {name: value for name, value in asdict(self).items() if value is not None} | {"ci95": list(self.ci95)}

    def as_stored(self) -> dict[str, Any]:
        """The same as metrics.json has it: with more than 50 classes the confusion matrix is {true class: {predicted class: images}}."""
        if len(self.confusion) <= MAX_DENSE:
            return self.as_dict()
        names = list(self.recall)
        sparse = {
            true: {predicted: count for predicted, count in zip(names, row, strict=True) if count}
            for true, row in zip(names, self.confusion, strict=True)
        }
        return self.as_dict() | {"confusion": sparse}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Scores":
        """The scores that `as_dict` or `as_stored` gave.

        Raises:
            LookupError, TypeError, AttributeError, ValueError: Scores are missing, unknown or impossible.
        """
        confusion = values["confusion"]
        if isinstance(confusion, Mapping):
            names = list(values["recall"])
            confusion = [[confusion[true].get(predicted, 0) for predicted in names] for true in names]
        scores = cls(**{**values, "ci95": tuple(values["ci95"]), "confusion": confusion})
        scores.check()
        return scores

    def check(self) -> None:
        """Check scores that were read from a file.

        Raises:
            ValueError, TypeError: One of them is not of its type, or not finite.
        """
        low, high = self.ci95
        numbers = [self.accuracy, low, high, self.loss, self.n, self.macro_f1, self.roc_auc, self.top5]
        numbers += [*self.recall.values(), *self.precision.values(), *(n for row in self.confusion for n in row)]
        if not all(number is None or math.isfinite(number) for number in numbers):
            raise ValueError("a score is not finite")
        size = len(self.recall)
        if list(self.precision) != list(self.recall) or [len(row) for row in self.confusion] != [size] * size:
            raise ValueError("recall, precision and confusion are not those of the same classes")

    def __repr__(self) -> str:
        low, high = self.ci95
        return f"Scores(accuracy={self.accuracy:.4g} [{low:.4g}, {high:.4g}], loss={self.loss:.4g}, n={self.n})"

    def _repr_html_(self) -> str:
        """The main scores and those of each class, for notebooks."""
        classes = [
            {"class": name, "recall": self.recall[name], "precision": self.precision[name]} for name in self.recall
        ]
        return show_table([self.as_row()]) + show_table(classes)

    def as_row(self) -> dict[str, object]:
        """The scores of all classes together, as a row of a table."""
        low, high = self.ci95
        row = {
            "images": self.n,
            "accuracy": self.accuracy,
            "95 % interval": f"{low:.3f} to {high:.3f}",
            "loss": self.loss,
            "macro F1": self.macro_f1,
            "ROC AUC": self.roc_auc,
            "top 5": self.top5,
        }
        return {name: value for name, value in row.items() if value is not None}


def score_table(scores: Mapping[str, Scores]) -> str:
    """The scores of all splits as an HTML table."""
    return show_table([{"split": split, **values.as_row()} for split, values in scores.items()])


def score(probabilities: NDArray[np.float32], y: NDArray[np.int64], classes: Sequence[str]) -> Scores:
    """All scores of one split.

    Args:
        probabilities: (N, K); each row sums to 1.
        y: Class numbers, (N,).
        classes: K names.
    """
    confusion = np.bincount(y * len(classes) + probabilities.argmax(axis=1), minlength=len(classes) ** 2)
    confusion = confusion.reshape(len(classes), len(classes))
    hits, num_true, num_predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    picked = np.clip(probabilities[np.arange(len(y)), y].astype(np.float64), LEAST_PROBABILITY, 1)
    occurs = num_true + num_predicted > 0
    has_roc, has_top5 = len(classes) == 2 and 0 < y.sum() < len(y), len(classes) > 5
    return Scores(
        accuracy=int(hits.sum()) / len(y),
        ci95=wilson_interval(int(hits.sum()), len(y)),
        loss=0.0 - float(np.log(picked).mean()),  # not -0.0 if all probabilities are 1
        n=len(y),
        macro_f1=float(_shares(2 * hits, num_true + num_predicted)[occurs].mean()),
        recall=dict(zip(classes, _shares(hits, num_true).tolist(), strict=True)),
        precision=dict(zip(classes, _shares(hits, num_predicted).tolist(), strict=True)),
        confusion=confusion.tolist(),
        roc_auc=_area_under_roc(probabilities[:, 1], y) if has_roc else None,
        top5=_top5(probabilities, y) if has_top5 else None,
        absent=[name for name, count in zip(classes, num_true, strict=True) if not count] or None,
    )


def _top5(probabilities: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    best = np.argsort(probabilities, axis=1, kind="stable")[:, -5:]
    return float((best == y[:, None]).any(axis=1).mean())


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Quotients; 0 where the denominator is 0."""
    return part / np.maximum(whole, 1)


def _area_under_roc(scores: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    """Share of the pairs of a 1 and a 0 in which the 1 has the higher score; equal scores count half (Mann & Whitney 1947)."""
    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    num_ones = int(y.sum())
    above = mean_rank[group[y == 1]].sum() - num_ones * (num_ones + 1) / 2
    return float(above / (num_ones * (len(y) - num_ones)))


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927). Unlike the normal approximation it stays in [0, 1] and holds near 0 and 1."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = correct / total, _Z95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    # Exactly 0 and 1 at the ends, where rounding would give 3e-17 for 0 of 12.
    return max(0.0, middle - half) if correct else 0.0, min(1.0, middle + half) if correct < total else 1.0
