"""Recalibration: probabilities are mapped so that they are right as often as they say. Fitted on validation, after the training.

Letters: N images, K outputs, M knots.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.links import apply_link, temperature_of

Array = NDArray[np.float32]
Double = NDArray[np.float64]

METHODS = ("none", "temperature", "isotonic")

LEAST = 1e-7
"""Probabilities of classes are clipped to this value before their logarithm is taken."""

LEAST_OF_LABELS = np.float32(1e-5)
"""Those of labels to this value, and to 1 minus it: there a float32 still has three digits of 1 - p, which exports round differently."""

NUM_BINS = 15
"""Of the calibration error, as in Guo et al. (2017)."""

_KNOTS = 100
_NEAREST = 0.5 / _KNOTS
"""Least distance of two knots. It bounds the slope of a curve, which enlarges what exports round."""


class Calibration(ABC):
    """A map of outputs (N, K) to outputs (N, K)."""

    kind: ClassVar[str]
    """One of `METHODS`."""

    @abstractmethod
    def apply(self, outputs: Array) -> Array:
        """Recalibrated probabilities, float32 (N, K)."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """Plain values for run.json."""

    @classmethod
    @abstractmethod
    def from_dict(cls, values: Mapping[str, Any], link: str, num_outputs: int) -> Self:
        """The calibration of `as_dict`.

        Raises:
            TypeError, ValueError, LookupError: Values are missing or impossible.
        """


@dataclass(frozen=True)
class Temperature(Calibration):
    """Temperature scaling (Guo et al. 2017, arXiv:1706.04599): p becomes softmax(t log p), or sigmoid(t log(p / (1 - p))) for labels."""

    link: str
    """`softmax` or `sigmoid`."""

    factor: float
    """t, the inverse of a temperature: below 1 probabilities come nearer to each other."""

    kind: ClassVar[str] = "temperature"

    @classmethod
    def fit(cls, link: str, outputs: Array, y: NDArray[Any]) -> Self:
        """The factor with the smallest log loss; see `pipeline.tasks.links.temperature_of`."""
        return cls(link, temperature_of(link, _log_odds(link, outputs), y))

    def apply(self, outputs: Array) -> Array:
        return apply_link(self.link, self.factor * _log_odds(self.link, outputs))

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "factor": self.factor}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], link: str, num_outputs: int) -> Self:
        del num_outputs
        factor = float(values["factor"])
        if not 0 < factor < np.inf:
            raise ValueError(f"the factor of a temperature is above 0; received {factor}")
        return cls(link, factor)


@dataclass(frozen=True)
class Curve:
    """A rising, piecewise linear function; constant below its first knot and above its last one."""

    x: tuple[float, ...]
    """M probabilities, ascending."""

    y: tuple[float, ...]
    """Their values, (M,)."""

    def __call__(self, p: NDArray[np.floating]) -> Double:
        """The values of probabilities (N,)."""
        values: Double = np.interp(p.astype(np.float64), self.x, self.y)
        return values

    def check(self) -> None:
        """Check values that were read from a file.

        Raises:
            ValueError: They are not such a curve.
        """
        x, y = np.array(self.x, np.float64), np.array(self.y, np.float64)
        inside = all(bool(((part >= 0) & (part <= 1)).all()) for part in (x, y))
        if not 2 <= len(x) <= _KNOTS or len(y) != len(x) or not inside:
            raise ValueError(f"a curve has 2 to {_KNOTS} knots with values from 0 to 1; received {len(x)} and {len(y)}")
        if (np.diff(x) <= 0).any() or (np.diff(y) < 0).any():
            raise ValueError("a curve rises from knot to knot")


SAME = Curve((0.0, 1.0), (0.0, 1.0))
"""The curve of a class or label of which validation has no positive or no negative image."""


@dataclass(frozen=True)
class Isotonic(Calibration):
    """Isotonic regression (Zadrozny & Elkan 2002): the best rising function of a probability, by squared error.

    Of two classes the probability of the second one is mapped. Of more classes each is mapped against the rest, and the values are
    divided by their sum.
    """

    link: str
    curves: tuple[Curve, ...]
    """One for two classes, otherwise K."""

    kind: ClassVar[str] = "isotonic"

    @classmethod
    def fit(cls, link: str, outputs: Array, y: NDArray[Any]) -> Self:
        """A curve for each column of probabilities.

        Args:
            link: `softmax` or `sigmoid`.
            outputs: (N, K).
            y: Class numbers (N,), or labels (N, K), NaN where they are not known.
        """
        if link == "softmax" and outputs.shape[1] == 2:
            return cls(link, (fit_curve(outputs[:, 1], y),))
        targets = y if link == "sigmoid" else (y[:, None] == np.arange(outputs.shape[1])).astype(np.float32)
        num_others = 1 if link == "sigmoid" else outputs.shape[1] - 1
        return cls(link, tuple(fit_curve(p, t, num_others) for p, t in zip(outputs.T, targets.T, strict=True)))

    def apply(self, outputs: Array) -> Array:
        if self.link == "softmax" and len(self.curves) == 1:
            second = self.curves[0](outputs[:, 1])
            return np.stack([1 - second, second], axis=1).astype(np.float32)
        values = np.stack([curve(p) for curve, p in zip(self.curves, outputs.T, strict=True)], axis=1)
        if self.link == "softmax":
            values = values / np.maximum(values.sum(axis=1, keepdims=True), LEAST)
        return values.astype(np.float32)

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "curves": [{"x": list(curve.x), "y": list(curve.y)} for curve in self.curves]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], link: str, num_outputs: int) -> Self:
        curves = tuple(Curve(_numbers(each["x"]), _numbers(each["y"])) for each in values["curves"])
        expected = 1 if link == "softmax" and num_outputs == 2 else num_outputs
        if len(curves) != expected:
            raise ValueError(
                f"an isotonic calibration of {num_outputs} outputs has {expected} curves; received {len(curves)}"
            )
        for curve in curves:
            curve.check()
        return cls(link, curves)


def fit_calibration(method: str, link: str, outputs: Array, y: NDArray[Any]) -> Calibration | None:
    """The calibration of a head's outputs on images that it was not trained on; None for the method `none`.

    Args:
        method: One of `METHODS`.
        link: That of the task; not `identity`.
        outputs: (N, K).
        y: Targets.
    """
    methods: Mapping[str, type[Temperature | Isotonic]] = {"temperature": Temperature, "isotonic": Isotonic}
    return methods[method].fit(link, outputs, y) if method in methods else None


def calibration_from_dict(values: Mapping[str, Any] | None, link: str, num_outputs: int) -> Calibration | None:
    """The calibration of `as_dict`.

    Raises:
        TypeError, ValueError, LookupError: It is not one, or the outputs are numbers.
    """
    if values is None:
        return None
    if link == "identity":
        raise ValueError("numbers have no calibration")
    methods: Mapping[str, type[Calibration]] = {"temperature": Temperature, "isotonic": Isotonic}
    return methods[values["kind"]].from_dict(values, link, num_outputs)


def fit_curve(p: NDArray[np.floating], y: NDArray[Any], num_others: int = 1) -> Curve:
    """The rising curve that fits the answers best: isotonic regression on the means of 100 ranges of probabilities.

    The values are at most (n + 1) / (n + 2) and at least 1 / (n + 2) for n answers (Platt 1999, section 2.2): no finite number of images
    shows that something is certain. The curve is the identity if all answers are equal, or all probabilities are in one range.

    Args:
        p: Probabilities, (N,).
        y: 1, 0, or NaN where it is not known, (N,).
        num_others: The least value is that of one of so many other classes.
    """
    known = np.isfinite(y)
    x, share, counts = _ranges(p[known].astype(np.float64), (y[known] == 1).astype(np.float64))
    num_positive, total = float(share @ counts), float(counts.sum())
    if len(x) < 2 or not 0 < round(num_positive) < total:
        return SAME
    values = pool_adjacent_violators(share, counts)
    rest = 1 / (total + 2)
    values = np.clip(values, rest / num_others, 1 - rest)
    bends = np.flatnonzero(
        np.diff(values, prepend=-1.0) + np.diff(values, append=2.0)
    )  # inside a constant part is nothing to know
    return Curve(tuple(x[bends].tolist()), tuple(values[bends].tolist()))


def _ranges(p: Double, true: Double) -> tuple[Double, Double, Double]:
    """Mean probability, share of positive answers and number of answers, of each range that has some; (M,) each."""
    number = np.minimum((p * _KNOTS).astype(np.int64), _KNOTS - 1)
    counts, sums, hits = (np.bincount(number, weights) for weights in (None, p, true))
    rows: list[Double] = []
    for row in np.stack([sums, hits, counts], axis=1)[counts > 0]:
        near = bool(rows) and row[0] / row[2] - rows[-1][0] / rows[-1][2] < _NEAREST
        if near:
            rows[-1] = rows[-1] + row
        else:
            rows.append(row)
    found = np.array(rows).reshape(-1, 3)
    return found[:, 0] / found[:, 2], found[:, 1] / found[:, 2], found[:, 2]


def pool_adjacent_violators(values: Sequence[float] | Double, weights: Sequence[float] | Double) -> Double:
    """The rising sequence with the smallest weighted squared error (Ayer et al. 1955), (M,).

    Neighbours that fall are replaced by their mean, as long as there are any.
    """
    blocks: list[tuple[float, float, int]] = []  # weighted sum, weight, number of values
    for value, weight in zip(values, weights, strict=True):
        block = (float(value) * float(weight), float(weight), 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
        blocks.append(block)
    return np.repeat([block[0] / block[1] for block in blocks], [block[2] for block in blocks])


def calibration_error(confidence: NDArray[np.floating], is_right: NDArray[np.bool_]) -> float:
    """The expected calibration error: the mean of |share that is right - mean confidence| over 15 bins (Guo et al. 2017, equation 3).

    Args:
        confidence: Probabilities, (N,).
        is_right: Whether what they are about is so, (N,).
    """
    if not len(confidence):
        return 0.0
    number = np.minimum((confidence.astype(np.float64) * NUM_BINS).astype(np.int64), NUM_BINS - 1)
    gaps = np.bincount(number, is_right.astype(np.float64) - confidence.astype(np.float64))
    return float(np.abs(gaps).sum() / len(confidence))


def _log_odds(link: str, outputs: Array) -> Double:
    """Log-probabilities of classes, or log-odds of labels, (N, K)."""
    if link == "softmax":
        found: Double = np.log(np.maximum(outputs.astype(np.float64), LEAST))
        return found
    p = np.clip(outputs, LEAST_OF_LABELS, 1 - LEAST_OF_LABELS).astype(np.float64)
    odds: Double = np.log(p / (1 - p))
    return odds


def _numbers(values: Any) -> tuple[float, ...]:
    if not isinstance(values, list):
        raise TypeError(f"knots are a list of numbers; received {type(values).__name__}")
    return tuple(float(value) for value in values)
