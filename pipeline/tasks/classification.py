"""One class for each image."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, HeadSpecError, SettingError, did_you_mean
from pipeline.tasks.calibration import calibration_error
from pipeline.tasks.class_scores import ClassScores, score
from pipeline.tasks.operating import Goal
from pipeline.tasks.targets import Double, Outputs, Problem, Targets
from pipeline.tasks.task import Answer, Judged, Task

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Classification(Task):
    """One of K classes for each image."""

    threshold: float | None = None
    """Of two classes: the second one is predicted from this probability on; None: the more probable one."""

    kind: ClassVar[str] = "classification"
    link: ClassVar[str] = "softmax"
    heads: ClassVar[tuple[str, ...]] = ("logreg", "svm", "ridge", "sgd", "lda", "knn")
    nouns: ClassVar[tuple[str, str]] = ("class", "classes")
    least_names: ClassVar[int] = 2
    is_exclusive: ClassVar[bool] = True
    main_score: ClassVar[str] = ClassScores.main_name
    history_words: ClassVar[tuple[str, str]] = ("cross-entropy loss", "accuracy")

    def encode(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Class numbers, int64 (N,)."""
        numbers = {name: number for number, name in enumerate(self.names)}
        unknown = next((label for label in labels if label not in numbers), None)
        if unknown is not None:
            raise DataLayoutError(f"The label {unknown!r} is no class. Expected one of {', '.join(self.names)}.")
        return np.array([numbers[label] for label in labels], np.int64)

    @property
    def column_names(self) -> tuple[str, ...]:
        """None: classes are the values of a column."""
        return ()

    @staticmethod
    def names_in(label: str) -> tuple[str, ...]:
        return (label,)

    def text(self, target: Any) -> str:
        return self.names[int(target)]

    def decide(self, outputs: Outputs) -> NDArray[np.int64]:
        if self.threshold is None:
            best: NDArray[np.int64] = outputs.argmax(axis=1)
            return best
        return (outputs[:, 1] >= self.threshold).astype(np.int64)

    def cut_of(self, number: int) -> float:
        """Of two classes: of the second one as it is, of the first one what is left."""
        cut = 0.5 if self.threshold is None else self.threshold
        return cut if number == 1 else 1 - cut

    def score(self, outputs: Outputs, y: Targets) -> ClassScores:
        return score(outputs, y, self.names, self.decide(outputs))

    def wrongness(self, outputs: Outputs, y: Targets) -> Double:
        """The probability of the predicted class, where it is another one than that of the image."""
        predicted = self.decide(outputs)
        return np.where(predicted == y, np.nan, outputs[np.arange(len(y)), predicted].astype(np.float64))

    def judge(self, outputs: Outputs, y: Targets) -> Judged:
        hits = outputs.argmax(axis=1) == y
        picked = outputs[np.arange(len(y)), y].astype(np.float64)
        return Judged(float(hits.mean()), float(-np.log(np.clip(picked, 1e-15, 1)).mean()), hits)

    def judge_left_out(self, scores: Double, y: Targets) -> Judged:
        predicted = (scores[:, 0] > 0).astype(np.int64) if len(self.names) == 2 else scores.argmax(axis=1)
        hits = predicted == y
        return Judged(float(hits.mean()), math.nan, hits)

    def columns(self, y: Targets) -> Double:
        """1 for an image's class and -1 for the others, (N, K); for two classes the column of class 1, (N, 1)."""
        Y = np.where(y[:, None] == np.arange(len(self.names)), 1.0, -1.0)
        return Y[:, 1:] if len(self.names) == 2 else Y

    def problems(self, y: Targets) -> list[Problem]:
        return [Problem(np.arange(len(y)), y)]

    def answer(self, output: Outputs, top: int) -> Answer:
        chosen = int(self.decide(output[None])[0])
        order = sorted(range(len(self.names)), key=lambda k: (k != chosen, -output[k]))[:top]
        pairs = tuple((self.names[k], float(output[k])) for k in order)
        return Answer(self.names[chosen], float(output[chosen]), pairs)

    def dense_output(self, activation: str | None) -> tuple[int, str]:
        """As in `Task.dense_output`; two classes have one sigmoid, unless a softmax is asked for."""
        if activation == "sigmoid" and len(self.names) > 2:
            raise HeadSpecError(
                f"A sigmoid output is for two classes. Received: {len(self.names)} classes; use softmax."
            )
        is_pair = len(self.names) == 2 and activation != "softmax"
        return (1, "sigmoid") if is_pair else (len(self.names), "softmax")

    def strata(self, y: Targets) -> NDArray[np.int64]:
        return y.astype(np.int64)

    def image_weights(self, y: Targets, by_class: Mapping[str, float] | None) -> Double:
        for name in by_class or {}:
            if name not in self.names:
                cure = did_you_mean(name, self.names) or f" Expected some of: {', '.join(self.names)}."
                raise SettingError(f"--class-weight names {name!r}, which is no class.{cure}")
        counts = np.bincount(y, minlength=len(self.names))
        own = 1 / np.maximum(counts, 1) if by_class is None else np.array([by_class.get(n, 1.0) for n in self.names])
        weights: Double = own[y] / own[y].mean()
        return weights

    def class_counts(self, y: Targets) -> dict[str, int]:
        return dict(zip(self.names, np.bincount(y, minlength=len(self.names)).tolist(), strict=True))

    def check_goal(self, goal: Goal) -> None:
        if len(self.names) != 2:
            super().check_goal(goal)

    def decided(self, outputs: Outputs, y: Targets, left_out: tuple[Outputs, Targets] | None) -> Self:
        """With the threshold of the second class that the goal asks for."""
        del left_out
        if self.goal is None:
            return self
        chosen = self.goal.choose(outputs[:, 1], y)
        if chosen.missed is not None:
            logger.warning(
                "No threshold reaches %s of %r on validation: the largest precision is %.3f, and its threshold is used.",
                self.goal,
                self.names[1],
                chosen.missed,
            )
        return replace(self, threshold=chosen.value)

    def calibration_error(self, outputs: Outputs, y: Targets) -> float:
        """Of the probability of the most probable class."""
        return calibration_error(outputs.max(axis=1), outputs.argmax(axis=1) == y)

    @property
    def named_thresholds(self) -> dict[str, float]:
        return {} if self.threshold is None else {self.names[1]: self.threshold}

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | ({} if self.threshold is None else {"threshold": self.threshold})

    @classmethod
    def from_dict(cls, names: tuple[str, ...], values: Mapping[str, Any]) -> Self:
        threshold = values.get("threshold")
        if threshold is not None and (len(names) != 2 or not 0 <= threshold <= 1):
            raise ValueError(f"a threshold is a probability of the second of two classes; received {threshold!r}")
        return cls(names, None if threshold is None else float(threshold), **cls.decisions_of(names, values))
