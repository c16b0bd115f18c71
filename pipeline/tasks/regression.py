"""Numbers for each image; some may be unknown.

The numbers of an image as one text: `12.5`, or `12.5|3|` for three columns of which the last is not known.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.tasks.targets import Double, Outputs, Problem, Scaling, Targets
from pipeline.tasks.task import Answer, Judged, Task
from pipeline.tasks.value_scores import ValueScores, score_values

SEPARATOR = "|"

LEVEL = 0.9
"""Share of new numbers that the interval of a prediction is made for."""

_MAX_STRATA = 10


@dataclass(frozen=True)
class Regression(Task):
    """T numbers for each image, in the units of the data."""

    half_widths: tuple[float, ...] = ()
    """Half the width of the interval of each column's predictions, in its units, T of them; empty if none was made."""

    kind: ClassVar[str] = "regression"
    link: ClassVar[str] = "identity"
    heads: ClassVar[tuple[str, ...]] = ("ridge", "sgd", "knn")
    nouns: ClassVar[tuple[str, str]] = ("column of numbers", "columns of numbers")
    main_score: ClassVar[str] = ValueScores.main_name
    scale: ClassVar[str | None] = "none"
    """A standardized feature that is nearly always 0 is very large where it is not, and moves a prediction without bounds: RESULTS.md."""

    output_name: ClassVar[str] = "values"
    history_words: ClassVar[tuple[str, str]] = ("loss", "R2")

    def encode(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """Numbers, NaN where they are not known, float32 (N, T)."""
        y: NDArray[np.float32] = np.array(
            [[_number(part) for part in self._parts(label)] for label in labels], np.float32
        )
        return y.reshape(len(labels), len(self.names))

    def _parts(self, label: str) -> list[str]:
        parts = label.split(SEPARATOR)
        if len(parts) != len(self.names):
            raise DataLayoutError(f"Expected {len(self.names)} numbers ({', '.join(self.names)}). Received: {label!r}.")
        return parts

    @staticmethod
    def names_in(label: str) -> tuple[str, ...]:
        del label
        return ()

    def counts_for(self, label: str) -> tuple[str, ...]:
        """The columns whose numbers are known."""
        return tuple(name for name, part in zip(self.names, self._parts(label), strict=True) if part)

    def check_columns(self, names: Sequence[str]) -> None:
        """A single column may have another name."""
        if len(self.names) > 1 and tuple(names) != self.names:
            raise DataLayoutError(
                f"The run answers the columns {', '.join(self.names)}, in this order. Received: {', '.join(names)}. Choose them with "
                f"--label {','.join(self.names)}."
            )

    def missing(self, labels: Sequence[str]) -> tuple[str, ...]:
        del labels
        return ()

    def knows(self, label: str) -> bool:
        """Whether it is as many numbers."""
        return label.count(SEPARATOR) == len(self.names) - 1

    def text(self, target: Any) -> str:
        return SEPARATOR.join("" if np.isnan(value) else f"{value:.9g}" for value in target)

    def decide(self, outputs: Outputs) -> Outputs:
        return outputs

    def score(self, outputs: Outputs, y: Targets) -> ValueScores:
        return score_values(outputs, y, self.names, self.half_widths or None)

    def wrongness(self, outputs: Outputs, y: Targets) -> Double:
        """The largest absolute error among the columns, in deviations of the numbers: never right."""
        errors = np.abs(outputs - y.astype(np.float64)) / np.array(self.scaling(y).spread)
        known = np.isfinite(errors)
        return np.where(known.any(axis=1), np.where(known, errors, 0).max(axis=1), np.nan)

    def judge(self, outputs: Outputs, y: Targets) -> Judged:
        """The loss is the mean over the columns of the squared error, divided by the variance of the numbers."""
        squares, variance = np.nanmean(np.square(outputs - y, dtype=np.float64), axis=0), np.nanvar(y, axis=0)
        loss = float(np.mean(squares / np.where(variance > 0, variance, 1)))
        return Judged(1 - loss, loss, None, len(y))

    def judge_left_out(self, scores: Double, y: Targets) -> Judged:
        return self.judge(scores.astype(np.float32), y)

    def columns(self, y: Targets) -> Double:
        return y.astype(np.float64)

    def problems(self, y: Targets) -> list[Problem]:
        scaling, found = self.scaling(y), []
        for column, centre, spread in zip(y.T.astype(np.float64), scaling.centre, scaling.spread, strict=True):
            rows = np.flatnonzero(np.isfinite(column))
            found.append(Problem(rows, (column[rows] - centre) / spread, centre, spread))
        return found

    def answer(self, output: Outputs, top: int) -> Answer:
        del top
        halves = self.half_widths or [None] * len(self.names)
        values = {
            name: (float(value), *((None, None) if half is None else (float(value) - half, float(value) + half)))
            for name, value, half in zip(self.names, output, halves, strict=True)
        }
        return Answer(SEPARATOR.join(f"{value:.6g}" for value in output), None, (), values)

    @property
    def cell_columns(self) -> list[str]:
        """None: the predicted label is the numbers."""
        return []

    def cells(self, output: Outputs) -> list[str]:
        del output
        return []

    def scaling(self, y: Targets) -> Scaling:
        columns = [column[np.isfinite(column)] for column in y.T.astype(np.float64)]
        spread = tuple((float(column.std()) if len(column) else 0.0) or 1.0 for column in columns)
        return Scaling(tuple(float(column.mean()) if len(column) else 0.0 for column in columns), spread)

    @property
    def has_losses(self) -> bool:
        return True

    def strata(self, y: Targets) -> NDArray[np.int64]:
        """Ten ranges of the first column with equal numbers of images, and one of those that are not known."""
        ranks = np.argsort(np.argsort(y[:, 0], kind="stable"), kind="stable")
        return np.where(np.isfinite(y[:, 0]), ranks * _MAX_STRATA // max(len(y), 1), _MAX_STRATA).astype(np.int64)

    def decided(self, outputs: Outputs, y: Targets, left_out: tuple[Outputs, Targets] | None) -> Self:
        """With intervals that hold `LEVEL` of the numbers: the quantile of the absolute errors of images that the head has not seen.

        With n errors it is the ceil((n + 1) LEVEL)-th smallest (split conformal prediction; Lei et al. 2018, arXiv:1604.04173).

        Args:
            outputs: Predictions (N, T) for validation.
            y: Their numbers.
            left_out: The same for the training images, by leave-one-out, which are more; None: validation is used.
        """
        outputs, y = left_out or (outputs, y)
        widths = []
        for errors in np.abs(outputs - y).T.astype(np.float64):
            known = np.sort(errors[np.isfinite(errors)])
            rank = min(math.ceil((len(known) + 1) * LEVEL), len(known))
            widths.append(float(known[rank - 1]) if len(known) else 0.0)
        return replace(self, half_widths=tuple(widths))

    def only_ones(self, y: Targets, groups: NDArray[np.int64]) -> NDArray[np.bool_]:
        """None: a range of numbers can be learnt from its neighbours."""
        del groups
        return np.zeros(len(y), np.bool_)

    def differs(self, first: Outputs, second: Outputs) -> NDArray[np.bool_]:
        """Never: two numbers differ by more or less, and are not different answers."""
        del second
        return np.zeros(len(first), bool)

    def units(self, outputs: Outputs) -> Double:
        spread = outputs.astype(np.float64).std(axis=0)
        return np.where(spread > 0, spread, 1.0)

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"half_widths": list(self.half_widths)}

    @classmethod
    def from_dict(cls, names: tuple[str, ...], values: Mapping[str, Any]) -> Self:
        widths = tuple(float(value) for value in values.get("half_widths", ()))
        if widths and (len(widths) != len(names) or not all(0 <= value < math.inf for value in widths)):
            raise ValueError(f"half_widths are {len(names)} numbers from 0 on; received {widths}")
        return cls(names, widths, **cls.decisions_of(names, values))


def _number(text: str) -> float:
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise DataLayoutError(f"{text!r} is no number. A regression needs numbers; see --task.")
    return value
