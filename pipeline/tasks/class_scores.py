"""Scores of classes, with an interval on the accuracy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.scores import BriefScores, Scores, area_under_roc, check_finite, percent, wilson_interval

LEAST_PROBABILITY = 1e-7
"""Losses clip probabilities to this value, as Keras does: a probability of 0 for the true class costs 16.1 nats, not infinity."""

MAX_DENSE = 50
"""With more classes a confusion matrix is stored without its zeros: 1,200 classes have 1,440,000 cells, nearly all of them 0."""


UNEVEN = 2
"""From this ratio of the largest to the smallest class on, the accuracy alone says little: balanced accuracy and recall stand beside it."""


@dataclass(frozen=True, repr=False)
class ClassScores(Scores):
    """The scores of one split, where each image has one class. The loss is the cross-entropy in nats."""

    main_name: ClassVar[str] = "accuracy"
    main_words: ClassVar[str] = "accuracy"

    accuracy: float

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

    @property
    def main(self) -> float:
        """The accuracy."""
        return self.accuracy

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have images in this split."""
        return float(np.mean([self.recall[name] for name, count in self.counts().items() if count]))

    def counts(self) -> dict[str, int]:
        """Images of each class."""
        return {name: sum(row) for name, row in zip(self.recall, self.confusion, strict=True)}

    @property
    def is_uneven(self) -> bool:
        """Whether a class has at least `UNEVEN` times as many images as another."""
        counts = [count for count in self.counts().values() if count]
        return max(counts) >= UNEVEN * min(counts)

    def summary(self) -> dict[str, Any]:
        """The scores that the commands which train print; where classes are not equally large, also of each class."""
        if not self.is_uneven:
            return super().summary()
        recall = {name: self.recall[name] for name, count in self.counts().items() if count}
        return super().summary() | {"balanced_accuracy": self.balanced_accuracy, "recall": recall}

    def brief(self) -> BriefScores:
        """The scores that heads are ranked by."""
        return BriefScores(self.main_name, self.main, self.ci95, self.loss, self.n, self.macro_f1)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; scores that do not apply are left out."""
        order = ("accuracy", "ci95", "loss", "n")
        values = asdict(self)
        values = {name: values[name] for name in (*order, *(name for name in values if name not in order))}
        return {name: value for name, value in values.items() if value is not None} | {"ci95": list(self.ci95)}

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

    def as_evaluation(self) -> dict[str, Any]:
        """The same as evaluation.json has it: with balanced accuracy, and scores by class; None for those that do not apply."""
        return {
            "n": self.n,
            "accuracy": self.accuracy,
            "ci95": list(self.ci95),
            "balanced_accuracy": self.balanced_accuracy,
            "loss": self.loss,
            "macro_f1": self.macro_f1,
            "roc_auc": self.roc_auc,
            "top5": self.top5,
            "classes": {
                name: {
                    "precision": self.precision[name],
                    "recall": self.recall[name] if count else None,
                    "n": count,
                }
                for name, count in self.counts().items()
            },
            "confusion": [list(row) for row in self.confusion],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
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
        check_finite(numbers)
        size = len(self.recall)
        if list(self.precision) != list(self.recall) or [len(row) for row in self.confusion] != [size] * size:
            raise ValueError("recall, precision and confusion are not those of the same classes")

    def as_row(self) -> dict[str, object]:
        """The scores of all classes together, as a row of a table."""
        low, high = self.ci95
        row = {
            "images": self.n,
            "accuracy": self.accuracy,
            "95 % interval": f"{low:.3f} to {high:.3f}",
            "loss": self.loss,
            "balanced accuracy": self.balanced_accuracy,
            "macro F1": self.macro_f1,
            "ROC AUC": self.roc_auc,
            "top 5": self.top5,
        }
        return {name: value for name, value in row.items() if value is not None}

    def name_rows(self) -> list[dict[str, object]]:
        """Recall and precision of each class; no recall of a class without images."""
        counts = self.counts()
        return [
            {
                "class": name,
                "precision": self.precision[name],
                "recall": self.recall[name] if counts[name] else None,
                "images": counts[name],
            }
            for name in self.recall
        ]

    def as_sentence(self) -> str:
        low, high = self.ci95
        return (
            f"Accuracy {self.accuracy:.4f} (95 % interval {low:.3f} to {high:.3f}), balanced accuracy "
            f"{self.balanced_accuracy:.4f}, log loss {self.loss:.4f}."
        )

    def quote_briefly(self, images: str) -> str:
        """As in `Scores.quote_briefly`: `70.0 % of 41 test images right`."""
        return f"{percent(self.accuracy)} of {self.n:,} {images} images right"


def score(
    probabilities: NDArray[np.float32],
    y: NDArray[np.int64],
    classes: Sequence[str],
    predicted: NDArray[np.int64] | None = None,
) -> ClassScores:
    """All scores of one split.

    Args:
        probabilities: (N, K); each row sums to 1.
        y: Class numbers, (N,).
        classes: K names.
        predicted: Class numbers, (N,); None: the most probable class.
    """
    predicted = probabilities.argmax(axis=1) if predicted is None else predicted
    confusion = np.bincount(y * len(classes) + predicted, minlength=len(classes) ** 2)
    confusion = confusion.reshape(len(classes), len(classes))
    hits, num_true, num_predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    picked = np.clip(probabilities[np.arange(len(y)), y].astype(np.float64), LEAST_PROBABILITY, 1)
    occurs = num_true + num_predicted > 0
    has_roc, has_top5 = len(classes) == 2 and 0 < y.sum() < len(y), len(classes) > 5
    return ClassScores(
        accuracy=int(hits.sum()) / len(y),
        ci95=wilson_interval(int(hits.sum()), len(y)),
        loss=0.0 - float(np.log(picked).mean()),  # not -0.0 if all probabilities are 1
        n=len(y),
        macro_f1=float(_shares(2 * hits, num_true + num_predicted)[occurs].mean()),
        recall=dict(zip(classes, _shares(hits, num_true).tolist(), strict=True)),
        precision=dict(zip(classes, _shares(hits, num_predicted).tolist(), strict=True)),
        confusion=confusion.tolist(),
        roc_auc=area_under_roc(probabilities[:, 1], y) if has_roc else None,
        top5=_top5(probabilities, y) if has_top5 else None,
        absent=[name for name, count in zip(classes, num_true, strict=True) if not count] or None,
    )


def _top5(probabilities: NDArray[np.float32], y: NDArray[np.int64]) -> float:
    best = np.argsort(probabilities, axis=1, kind="stable")[:, -5:]
    return float((best == y[:, None]).any(axis=1).mean())


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Quotients; 0 where the denominator is 0."""
    return part / np.maximum(whole, 1)
