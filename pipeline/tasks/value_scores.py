"""Scores of predicted numbers, with intervals by a bootstrap. Numbers that are not known are left out.

Letters: N images, T columns of numbers, B samples of a bootstrap.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.tasks.scores import Scores, check_finite, draws, interval_of

Double = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ValueScore:
    """The scores of one column, in its units; `_ci95` are 95 % intervals."""

    images: int
    """Images whose number is known."""

    mae: float
    """Mean absolute error."""

    mae_ci95: tuple[float, float]
    rmse: float
    """Root of the mean squared error."""

    rmse_ci95: tuple[float, float]
    r2: float | None
    """Share of the variance that is explained; None if all numbers are equal."""

    r2_ci95: tuple[float, float] | None
    spearman: float | None
    """Correlation of the ranks (Spearman 1904); None if all numbers, or all predictions, are equal."""

    spearman_ci95: tuple[float, float] | None
    mean_mae: float
    """Mean absolute error of a head that always predicts the mean of these numbers, for comparison."""

    coverage: float | None = None
    """Share of the numbers that are inside the interval of their prediction; None without an interval."""


@dataclass(frozen=True, repr=False)
class ValueScores(Scores):
    """The scores of one split, where each image has numbers. The loss is the mean over the columns of 1 - R2."""

    main_name: ClassVar[str] = "r2"
    main_words: ClassVar[str] = "R2"
    is_share: ClassVar[bool] = False

    r2: float
    """Mean over the columns of the share of the variance that is explained."""

    columns: Mapping[str, ValueScore]
    """By column; without those of which no number is known in this split."""

    @property
    def main(self) -> float:
        """R2, the mean over the columns."""
        return self.r2

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; scores that do not apply are left out."""
        columns = {name: _listed(asdict(each)) for name, each in self.columns.items()}
        return {"r2": self.r2, "ci95": list(self.ci95), "loss": self.loss, "n": self.n, "columns": columns}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        columns = {str(name): _value_score(each) for name, each in values["columns"].items()}
        scores = cls(**{**values, "ci95": tuple(values["ci95"]), "columns": columns})
        numbers = [*scores.ci95, scores.loss, scores.n, scores.r2]
        check_finite([*numbers, *(v for each in columns.values() for v in _flat(asdict(each).values()))])
        return scores

    def as_row(self) -> dict[str, object]:
        low, high = self.ci95
        row: dict[str, object] = {"images": self.n, "R2": self.r2, "95 % interval": f"{low:.3f} to {high:.3f}"}
        if len(self.columns) == 1:
            (each,) = self.columns.values()
            more = {"MAE": each.mae, "RMSE": each.rmse, "Spearman": each.spearman, "coverage": each.coverage}
            row |= {name: value for name, value in more.items() if value is not None}
        return row

    def as_sentence(self) -> str:
        low, high = self.ci95
        return f"R2 {self.r2:.4f} (95 % interval {low:.3f} to {high:.3f}){self._error()}."

    def quote(self, images: str) -> str:
        return f"{super().quote(images)}{self._error()}"

    def _error(self) -> str:
        """The mean absolute error of the only column; empty for several, which have other units."""
        errors = [each.mae for each in self.columns.values()]
        return f", mean absolute error {errors[0]:.4g}" if len(errors) == 1 else ""

    def name_rows(self) -> list[dict[str, object]]:
        """The scores of each column, in its units."""
        rows = []
        for name, each in self.columns.items():
            row: dict[str, object | None] = {
                "column": name,
                "images": each.images,
                "MAE": each.mae,
                "MAE, 95 %": _span(each.mae_ci95),
                "RMSE": each.rmse,
                "RMSE, 95 %": _span(each.rmse_ci95),
                "R2": each.r2,
                "R2, 95 %": _span(each.r2_ci95),
                "Spearman": each.spearman,
                "Spearman, 95 %": _span(each.spearman_ci95),
                "MAE of the mean": each.mean_mae,
                "coverage": each.coverage,
            }
            rows.append({key: value for key, value in row.items() if value is not None})
        return rows


def score_values(
    values: NDArray[np.float32],
    y: NDArray[np.float32],
    names: Sequence[str],
    half_widths: Sequence[float] | None = None,
) -> ValueScores:
    """All scores of one split.

    Args:
        values: Predictions, (N, T).
        y: Numbers, NaN where they are not known, (N, T).
        names: T names.
        half_widths: Half the width of each column's interval.
    """
    samples = draws(len(y))
    columns, r2_draws = {}, []
    for k, name in enumerate(names):
        known = np.isfinite(y[:, k])
        if not known.any():
            continue
        half = None if half_widths is None else half_widths[k]
        columns[name], drawn = _score_column(values[known, k], y[known, k], samples[:, known], half)
        r2_draws.append(drawn)
    points = [each.r2 for each in columns.values() if each.r2 is not None]
    r2 = float(np.mean(points)) if points else 0.0
    interval = interval_of(np.mean(r2_draws, axis=0)) if r2_draws else (-math.inf, math.inf)
    return ValueScores(
        n=len(y), loss=1 - r2, ci95=interval if math.isfinite(interval[0]) else (r2, r2), r2=r2, columns=columns
    )


def _score_column(
    values: NDArray[np.float32], y: NDArray[np.float32], samples: NDArray[np.int64], half: float | None
) -> tuple[ValueScore, Double]:
    """The scores of one column, and R2 in each sample of the bootstrap, (B,)."""
    predicted, true = values.astype(np.float64), y.astype(np.float64)
    once = np.ones((1, len(true)))
    error = predicted - true
    mae, mse, r2, spearman = _measure(predicted, true, once)
    drawn = _measure(predicted, true, samples)
    intervals = [interval_of(each) for each in (drawn[0], np.sqrt(drawn[1]), drawn[2], drawn[3])]
    has_r2, has_ranks = math.isfinite(r2[0]), math.isfinite(spearman[0])
    score = ValueScore(
        images=len(true),
        mae=float(mae[0]),
        mae_ci95=intervals[0],
        rmse=math.sqrt(mse[0]),
        rmse_ci95=intervals[1],
        r2=float(r2[0]) if has_r2 else None,
        r2_ci95=intervals[2] if has_r2 else None,
        spearman=float(spearman[0]) if has_ranks else None,
        spearman_ci95=intervals[3] if has_ranks else None,
        mean_mae=float(np.abs(true - true.mean()).mean()),
        coverage=None if half is None else float((np.abs(error) <= half).mean()),
    )
    return score, drawn[2]


def _measure(predicted: Double, true: Double, counts: NDArray[Any]) -> tuple[Double, Double, Double, Double]:
    """MAE, MSE, R2 and Spearman's correlation of each sample, (B,) each; R2 and the correlation are NaN where they do not apply.

    Ranks are those among all images, not computed again in each sample.
    """
    error, true = predicted - true, true - true.mean()
    total = np.maximum(counts.sum(axis=1), 1)
    mse = counts @ error**2 / total
    variance = counts @ true**2 / total - (counts @ true / total) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = np.where(variance > 1e-12 * max(float(np.square(true).mean()), 1e-300), 1 - mse / variance, np.nan)
    return counts @ np.abs(error) / total, mse, r2, _correlation(_ranks(predicted), _ranks(true), counts)


def _ranks(values: Double) -> Double:
    """Ranks, centred; equal values have the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Double = (np.cumsum(counts) - (counts - 1) / 2)[group]
    centred: Double = ranks - ranks.mean()
    return centred


def _correlation(first: Double, second: Double, counts: NDArray[Any]) -> Double:
    """Pearson's correlation of two columns in each sample, (B,)."""
    total = np.maximum(counts.sum(axis=1), 1)
    mean = [counts @ each / total for each in (first, second)]
    covariance = counts @ (first * second) / total - mean[0] * mean[1]
    variance = [counts @ each**2 / total - m**2 for each, m in zip((first, second), mean, strict=True)]
    product = variance[0] * variance[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Double = np.where(product > 1e-9, covariance / np.sqrt(product), np.nan)
    return found


def _value_score(values: Mapping[str, Any]) -> ValueScore:
    """Of JSON, where tuples are lists, and what does not apply is left out."""
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    missing: dict[str, Any] = dict.fromkeys(("r2", "r2_ci95", "spearman", "spearman_ci95"))
    return ValueScore(**{**missing, **plain})


def _listed(values: dict[str, Any]) -> dict[str, Any]:
    """Plain values for JSON, without what does not apply."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items() if v is not None}


def _flat(values: Any) -> list[float | None]:
    return [number for value in values for number in (value if isinstance(value, tuple) else (value,))]


def _span(interval: tuple[float, float] | None) -> str | None:
    return None if interval is None else f"{interval[0]:.3g} to {interval[1]:.3g}"
