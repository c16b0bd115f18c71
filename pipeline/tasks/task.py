"""The interface of tasks. A task knows its targets, scores, outputs and predictions; no other room tells the kinds apart.

Letters: N images, K names (classes, labels or columns of numbers).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import HeadSpecError, SettingError
from pipeline.tasks.calibration import Calibration, calibration_from_dict, fit_calibration
from pipeline.tasks.operating import Goal
from pipeline.tasks.scores import Scores
from pipeline.tasks.stored import probability_cells, probability_columns
from pipeline.tasks.targets import Double, Outputs, Problem, Scaling, Targets

KINDS = ("classification", "multilabel", "regression")


@dataclass(frozen=True)
class Judged:
    """How well outputs fit the targets: what the regularisation of a linear head is chosen by."""

    accuracy: float
    """The main score: accuracy, share of labels that are right, or R2."""

    loss: float
    """Log loss in nats, or the mean squared error in deviations of the targets."""

    hits: NDArray[np.bool_] | None
    """Whether each answer is right; None for numbers, which are never exactly right."""

    count: int = 0
    """Number of images; of numbers only."""


@dataclass(frozen=True)
class Answer:
    """What is said of one image."""

    label: str
    """The class, the labels (`cat|indoor`), or the number (several: `12.5|3`)."""

    probability: float | None
    """Of the class; None for labels and numbers."""

    top: tuple[tuple[str, float], ...]
    """The most likely classes or labels with their probabilities; empty for numbers."""

    values: Mapping[str, tuple[float, float | None, float | None]] | None = None
    """Number and ends of its interval by column, in the units of the data; None for classes and labels."""


@dataclass(frozen=True)
class Task(ABC):
    """What is asked of the rows, and how outputs become predictions."""

    names: tuple[str, ...]
    """K names, in the order of the outputs."""

    goal: Goal | None = field(default=None, kw_only=True)
    """What thresholds are chosen by on validation; None: what is usual for the task."""

    calibrate: str = field(default="none", kw_only=True)
    """How probabilities are recalibrated on validation; one of `pipeline.tasks.calibration.METHODS`."""

    calibration: Calibration | None = field(default=None, kw_only=True)
    """The calibration that was fitted; None before that, and for `none`."""

    kind: ClassVar[str]
    """One of `KINDS`."""

    link: ClassVar[str]
    """What makes outputs of the sums of a head: `softmax`, `sigmoid` or `identity`."""

    heads: ClassVar[tuple[str, ...]]
    """Linear heads that can learn it."""

    nouns: ClassVar[tuple[str, str]]
    """What a name stands for, one and several: `class`, `classes`."""

    scale: ClassVar[str | None] = None
    """Scaling of the features where a linear head does not name one; None: as the head likes it."""

    least_names: ClassVar[int] = 1
    """Names that a training needs."""

    is_exclusive: ClassVar[bool] = False
    """Whether each image has exactly one of the names."""

    main_score: ClassVar[str]
    """Name of the score that heads are ranked by; larger is better."""

    output_name: ClassVar[str] = "probabilities"
    """What the outputs are called in exported files."""

    history_words: ClassVar[tuple[str, str]]
    """What loss and score of the epochs of a dense head are called in plots (`loss` and `accuracy` in history.csv)."""

    @abstractmethod
    def encode(self, labels: Sequence[str]) -> Targets:
        """Targets of labels as the manifest has them.

        Raises:
            DataLayoutError: A label is none of this task.
        """

    @staticmethod
    @abstractmethod
    def names_in(label: str) -> tuple[str, ...]:
        """The names in a label: the class, or the labels that an image has; none for numbers."""

    def counts_for(self, label: str) -> tuple[str, ...]:
        """The names that an image with this label counts for: its class, its labels, or the columns whose numbers are known."""
        return self.names_in(label)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Columns of a table that may have the answers."""
        return self.names

    def check_columns(self, names: Sequence[str]) -> None:
        """Check that the columns of other data are those of this task; empty: they have no names of their own.

        Raises:
            DataLayoutError: They are others, or in another order.
        """
        del names

    def missing(self, labels: Sequence[str]) -> tuple[str, ...]:
        """Classes or labels that no image has; none for numbers."""
        found = {name for label in labels for name in self.names_in(label)}
        return tuple(name for name in self.names if name not in found)

    def knows(self, label: str) -> bool:
        """Whether outputs can be compared with this label."""
        return all(name in self.names for name in self.names_in(label))

    @abstractmethod
    def text(self, target: Any) -> str:
        """The label that `encode` makes this target of."""

    @abstractmethod
    def decide(self, outputs: Outputs) -> Targets:
        """The targets that outputs (N, K) predict."""

    def cut_of(self, number: int) -> float:
        """The probability from which this class or label is predicted."""
        del number
        return 0.5

    @abstractmethod
    def score(self, outputs: Outputs, y: Targets) -> Scores:
        """All scores of one split."""

    @abstractmethod
    def wrongness(self, outputs: Outputs, y: Targets) -> Double:
        """How wrong each prediction is, (N,), larger is worse; NaN where it is right, or where nothing is known."""

    @abstractmethod
    def judge(self, outputs: Outputs, y: Targets) -> Judged:
        """The scores that a regularisation is chosen by, which take less time."""

    @abstractmethod
    def judge_left_out(self, scores: Double, y: Targets) -> Judged:
        """The scores of least squares (N, C), each by a fit to all other images; without a loss unless the outputs are numbers."""

    @abstractmethod
    def columns(self, y: Targets) -> Double:
        """Targets of least squares, float64 (N, C), NaN where they are not known; C is 1 for two classes, otherwise K."""

    @abstractmethod
    def problems(self, y: Targets) -> list[Problem]:
        """The fits that a head which is not least squares is made of."""

    @abstractmethod
    def strata(self, y: Targets) -> NDArray[np.int64]:
        """A number for each image, int64 (N,); folds and samples have about as many images of each."""

    def only_ones(self, y: Targets, groups: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Images that have to be in every training, (N,): the only group of their stratum, which could not be learnt without them.

        Args:
            y: Targets.
            groups: A number for each image, (N,); images of one group are in one fold.
        """
        strata = self.strata(y)
        pairs = np.unique(np.stack([strata, groups], axis=1), axis=0)
        names, counts = np.unique(pairs[:, 0], return_counts=True)
        return np.isin(strata, names[counts < 2])

    def image_weights(self, y: Targets, by_class: Mapping[str, float] | None) -> Double:
        """How much each image counts in a training, (N,), mean 1.

        Args:
            y: Targets of the training images.
            by_class: Weights by class, 1 for the others; None: n / (K n_k) for the n_k images of each of K classes.

        Raises:
            SettingError: Images do not have one class each, or there is no such class.
        """
        del y, by_class
        raise SettingError(f"--class-weight is for images of one class each. Received: a {self.kind}. Leave it out.")

    def class_counts(self, y: Targets) -> dict[str, int]:
        """Number of images of each class; empty if images do not have one class each."""
        del y
        return {}

    def answer(self, output: Outputs, top: int) -> Answer:
        """What is said of an image with these outputs, (K,).

        Args:
            output: Its outputs.
            top: Number of classes or labels to list.
        """
        pairs = tuple((self.names[k], float(output[k])) for k in np.argsort(-output, kind="stable")[:top])
        return Answer(self.text(self.decide(output[None])[0]), None, pairs)

    @property
    def cell_columns(self) -> list[str]:
        """Names of the columns of predictions.csv for the outputs."""
        return probability_columns(self.names)

    def cells(self, output: Outputs) -> list[str]:
        """The outputs of one image, (K,), in these columns."""
        return probability_cells(output, self.names)

    def dense_output(self, activation: str | None) -> tuple[int, str]:
        """Units and activation of the output layer of a dense head.

        Args:
            activation: `softmax` or `sigmoid`, as the text of the head asks for; None: what the task needs.

        Raises:
            HeadSpecError: The task has no use for that activation.
        """
        if activation is not None and activation != self.link:
            expected = "no activation" if self.link == "identity" else f"{self.link}"
            raise HeadSpecError(f"The output of a dense head for {self.kind} has {expected}. Received: {activation}.")
        return len(self.names), "linear" if self.link == "identity" else self.link

    def scaling(self, y: Targets) -> Scaling | None:
        """Means and deviations of the numbers of the training images; None for classes and labels."""
        del y
        return None

    @property
    def has_losses(self) -> bool:
        """Whether there is a choice of what dense heads minimise (`Training.loss`)."""
        return False

    def with_decisions(self, threshold: "str | float | None", calibrate: str) -> Self:
        """This task, with a goal for its thresholds and a method of recalibration.

        Args:
            threshold: `f1`, `recall=0.95`, `precision=0.9`, a probability, or None.
            calibrate: One of `pipeline.tasks.calibration.METHODS`.

        Raises:
            SettingError: The task has no use for them.
        """
        goal = None if threshold is None else Goal.parse(threshold)
        if goal is not None:
            self.check_goal(goal)
        if calibrate != "none" and self.link == "identity":
            raise SettingError(
                f"--calibrate is for probabilities: classes or labels. The task is a {self.kind} of {', '.join(self.names)}. "
                "Leave it out."
            )
        return replace(self, goal=goal, calibrate=calibrate)

    def check_goal(self, goal: Goal) -> None:
        """Check that a threshold decides something.

        Raises:
            SettingError: The task has none.
        """
        raise SettingError(
            f"--threshold is for two classes, or for several labels of an image. The task is a {self.kind} of "
            f"{len(self.names)} {self.nouns[len(self.names) > 1]}. Received: --threshold {goal}. Leave it out."
        )

    def settled(self, outputs: Outputs, y: Targets, left_out: tuple[Outputs, Targets] | None = None) -> Self:
        """This task with what is chosen on validation: calibration, thresholds, the width of intervals.

        Args:
            outputs: Those of the head, (N, K), as they are.
            y: Targets.
            left_out: The sums of heads for each training image without it, least squares (N, C), and their targets; None: not known.
        """
        fitted = replace(self, calibration=fit_calibration(self.calibrate, self.link, outputs, y))
        return fitted.decided(fitted.finish(outputs), y, left_out)

    def decided(self, outputs: Outputs, y: Targets, left_out: tuple[Outputs, Targets] | None) -> Self:
        """With what is chosen by the finished outputs; `settled` calls it."""
        del outputs, y, left_out
        return self

    def finish(self, outputs: Outputs) -> Outputs:
        """The outputs of a head as users get them, (N, K): recalibrated. All predictions of a run go through this, and exports hold it as layers."""
        return outputs if self.calibration is None else self.calibration.apply(outputs)

    def without_calibration(self) -> Self:
        """The task of an exported file, whose network has the calibration inside."""
        return replace(self, calibrate="none", calibration=None)

    def calibration_error(self, outputs: Outputs, y: Targets) -> float | None:
        """The expected calibration error of finished outputs; None for numbers."""
        del outputs, y
        return None

    @property
    def named_thresholds(self) -> dict[str, float]:
        """The probability from which a class or label is predicted, by name; empty where the most probable class is."""
        return {}

    def differs(self, first: Outputs, second: Outputs) -> NDArray[np.bool_]:
        """Whether two outputs of each image have different answers, (N,)."""
        changed: NDArray[np.bool_] = (self.decide(first) != self.decide(second)).reshape(len(first), -1).any(axis=1)
        return changed

    def units(self, outputs: Outputs) -> Double:
        """What differences of outputs are measured in, (K,): 1 for probabilities, the deviation of these for numbers."""
        return np.ones(outputs.shape[1])

    def as_dict(self) -> dict[str, Any]:
        """Plain values for run.json, besides the names; what is not set is left out."""
        goal = {} if self.goal is None else {"goal": str(self.goal)}
        calibration = {} if self.calibration is None else {"calibration": self.calibration.as_dict()}
        return {"kind": self.kind} | goal | calibration

    @classmethod
    def decisions_of(cls, names: tuple[str, ...], values: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of `as_dict` that all tasks have.

        Raises:
            TypeError, ValueError, LookupError: Values are impossible.
        """
        calibration = calibration_from_dict(values.get("calibration"), cls.link, len(names))
        goal = None if values.get("goal") is None else _goal_of(values["goal"])
        return {"goal": goal, "calibrate": calibration.kind if calibration else "none", "calibration": calibration}

    @classmethod
    @abstractmethod
    def from_dict(cls, names: tuple[str, ...], values: Mapping[str, Any]) -> Self:
        """The task of `as_dict`.

        Raises:
            TypeError, ValueError, LookupError: Values are missing or impossible.
        """


def _goal_of(text: Any) -> Goal:
    """A goal of a file; one that does not exist is an error of the file, and not of a setting."""
    try:
        return Goal.parse(text)
    except SettingError as error:
        raise ValueError(str(error)) from error
