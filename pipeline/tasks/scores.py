"""The interface of scores, with their table and their intervals.

Scores use numpy alone, because importing scikit-learn's metrics takes longer than fitting a linear head. Tests compare the values with
those of scikit-learn.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.html import show_table

_Z95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution
_MOST_DRAWS, _LEAST_DRAWS, _DRAWN_IMAGES = 1000, 100, 5_000_000


@dataclass(frozen=True)
class Scores(ABC):
    """The scores of one split."""

    main_name: ClassVar[str]
    """Name of the main score in JSON, such as `accuracy`."""

    main_words: ClassVar[str]
    """The same in tables and plots, such as `accuracy` or `mean average precision`."""

    is_share: ClassVar[bool] = True
    """Whether the main score is a share from 0 to 1, which pages show in per cent."""

    n: int
    """Number of images."""

    loss: float
    ci95: tuple[float, float]
    """95 % interval of the main score."""

    @property
    @abstractmethod
    def main(self) -> float:
        """The score that heads are ranked by; larger is better."""

    @abstractmethod
    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; scores that do not apply are left out."""

    def as_stored(self) -> dict[str, Any]:
        """The same as metrics.json has it."""
        return self.as_dict()

    def as_evaluation(self) -> dict[str, Any]:
        """The same as evaluation.json has it."""
        return self.as_dict()

    @classmethod
    @abstractmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The scores that `as_dict` or `as_stored` gave.

        Raises:
            LookupError, TypeError, AttributeError, ValueError: Scores are missing, unknown or impossible.
        """

    @abstractmethod
    def as_row(self) -> dict[str, object]:
        """The scores of all names together, as a row of a table."""

    @abstractmethod
    def name_rows(self) -> list[dict[str, object]]:
        """A row of a table for each class, label or column."""

    def summary(self) -> dict[str, Any]:
        """The scores that the commands which train print."""
        return {self.main_name: self.main, "loss": self.loss, "n": self.n, "ci95": list(self.ci95)}

    @abstractmethod
    def as_sentence(self) -> str:
        """The scores of all names together, in a sentence."""

    def quote(self, images: str) -> str:
        """The main score in a few words, with its interval.

        Args:
            images: Which images they are, such as `test`.
        """
        low, high = map(self.show, self.ci95)
        return f"{self.quote_briefly(images)} (95 % interval {low} to {high})"

    def quote_briefly(self, images: str) -> str:
        """The main score in a few words."""
        return f"{self.main_words} {self.show(self.main)} on {self.n:,} {images} images"

    @classmethod
    def show(cls, value: float) -> str:
        """A value of the main score as text."""
        return percent(value) if cls.is_share else f"{value:.3f}"

    def brief(self) -> "BriefScores":
        """The scores that heads are ranked by."""
        return BriefScores(self.main_name, self.main, self.ci95, self.loss, self.n)

    def __repr__(self) -> str:
        low, high = self.ci95
        return f"Scores({self.main_name}={self.main:.4g} [{low:.4g}, {high:.4g}], loss={self.loss:.4g}, n={self.n})"

    def _repr_html_(self) -> str:
        """The main scores and those of each name, for notebooks."""
        return show_table([self.as_row()]) + show_table(self.name_rows())


@dataclass(frozen=True)
class BriefScores:
    """The scores that heads are ranked by."""

    name: str
    """Name of the main score, such as `accuracy`."""

    main: float
    ci95: tuple[float, float]
    loss: float
    n: int
    macro_f1: float | None = None
    """Of classes."""

    @property
    def words(self) -> str:
        """The name in tables, such as `mean average precision`."""
        return words_of(self.name)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "BriefScores":
        """The scores that `as_dict` gave.

        Raises:
            TypeError, ValueError, LookupError: Scores are missing, or not numbers.
        """
        low, high = values["ci95"]
        name = next(name for name in values if name not in ("ci95", "loss", "n", "macro_f1"))
        macro_f1 = values.get("macro_f1")
        return cls(
            name,
            float(values[name]),
            (float(low), float(high)),
            float(values["loss"]),
            int(values["n"]),
            None if macro_f1 is None else float(macro_f1),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        values = {self.name: self.main, "ci95": list(self.ci95), "loss": self.loss, "n": self.n}
        return values if self.macro_f1 is None else values | {"macro_f1": self.macro_f1}


def percent(share: float) -> str:
    """A share as `70.0 %`, without a line break before the sign."""
    return f"{100 * share:.1f}\u00a0%"


def words_of(name: str) -> str:
    """The name of a score in tables: `mean average precision` of `mean_average_precision`."""
    return "R2" if name == "r2" else name.replace("_", " ")


def score_table(scores: Mapping[str, Scores]) -> str:
    """The scores of all splits as an HTML table."""
    return show_table([{"split": split, **values.as_row()} for split, values in scores.items()])


def check_finite(numbers: "list[float | None]") -> None:
    """Check numbers that were read from a file; None stands for a score that does not apply.

    Raises:
        ValueError: One is not finite.
        TypeError: One is no number.
    """
    if not all(number is None or math.isfinite(number) for number in numbers):
        raise ValueError("a score is not finite")


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927). Unlike the normal approximation it stays in [0, 1] and holds near 0 and 1."""
    if total == 0:
        return 0.0, 1.0
    share, z2 = correct / total, _Z95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    # Exactly 0 and 1 at the ends, where rounding would give 3e-17 for 0 of 12.
    return max(0.0, middle - half) if correct else 0.0, min(1.0, middle + half) if correct < total else 1.0


def area_under_roc(scores: NDArray[Any], y: NDArray[Any]) -> float:
    """Share of the pairs of a 1 and a 0 in which the 1 has the higher score; equal scores count half (Mann & Whitney 1947)."""
    _, group, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    num_ones = int(y.sum())
    above = mean_rank[group[y == 1]].sum() - num_ones * (num_ones + 1) / 2
    return float(above / (num_ones * (len(y) - num_ones)))


def draws(num_images: int) -> NDArray[np.int64]:
    """How often each image is in each sample of a bootstrap (Efron 1979), (B, N); B is 1,000, and less for many images."""
    count = int(np.clip(_DRAWN_IMAGES // max(num_images, 1), _LEAST_DRAWS, _MOST_DRAWS))
    return np.random.default_rng(0).multinomial(num_images, np.full(num_images, 1 / num_images), size=count)


def interval_of(samples: NDArray[Any]) -> tuple[float, float]:
    """95 % interval of a score by its values in the samples of a bootstrap; values that are NaN are left out."""
    known = samples[np.isfinite(samples)]
    if not len(known):
        return -math.inf, math.inf
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)
