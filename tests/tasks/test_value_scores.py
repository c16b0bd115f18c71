"""Scores of numbers, against scikit-learn's and SciPy's."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from pipeline.tasks.value_scores import score_values


def make(count=400, noise=1.0, seed=0):
    rng = np.random.default_rng(seed)
    y = np.stack([rng.normal(2000, 3, count), rng.integers(0, 5, count)], axis=1)
    return (y + rng.normal(0, noise, y.shape)).astype(np.float32), y.astype(np.float32)


def test_scores_are_those_of_scikit_learn_and_scipy():
    """For numbers far from 0, and for numbers with ties."""
    values, y = make()
    scores = score_values(values, y, ("year", "stars"))
    for k, each in enumerate(scores.columns.values()):
        assert each.mae == pytest.approx(metrics.mean_absolute_error(y[:, k], values[:, k]), rel=1e-5)
        assert each.rmse == pytest.approx(metrics.root_mean_squared_error(y[:, k], values[:, k]), rel=1e-5)
        assert each.r2 == pytest.approx(metrics.r2_score(y[:, k], values[:, k]), rel=1e-4)
        assert each.spearman == pytest.approx(stats.spearmanr(y[:, k], values[:, k]).statistic, rel=1e-5)
        for low, high, value in (
            (*each.mae_ci95, each.mae),
            (*each.rmse_ci95, each.rmse),
            (*each.r2_ci95, each.r2),
            (*each.spearman_ci95, each.spearman),
        ):
            assert low < value < high
    assert scores.main == pytest.approx(np.mean([each.r2 for each in scores.columns.values()]))


def test_interval_covers_the_true_score():
    """Of 60 samples from one law, about 95 % of the intervals hold the score of a very large sample."""
    truth = score_values(*make(100_000, seed=99), ("a", "b")).columns["a"].mae
    held = 0
    for seed in range(60):
        low, high = score_values(*make(300, seed=seed), ("a", "b")).columns["a"].mae_ci95
        held += low <= truth <= high

    assert 52 <= held <= 60


def test_unknown_numbers_are_left_out():
    """The scores of a column are those of the images whose number is known; a column without any has none."""
    values, y = make()
    y[::2, 0] = np.nan
    y[:, 1] = np.nan
    scores = score_values(values, y, ("a", "b"))

    assert list(scores.columns) == ["a"]
    assert scores.columns["a"].images == 200
    assert scores.columns["a"].mae == pytest.approx(np.abs(values[1::2, 0] - y[1::2, 0]).mean(), rel=1e-5)


def test_equal_numbers_have_no_r2():
    """Nothing varies, so no share of it is explained; the errors are known all the same."""
    values, y = make(50)
    y[:] = 3
    scores = score_values(values, y, ("a", "b"))

    assert scores.columns["a"].r2 is None
    assert scores.columns["a"].mae > 0
    assert scores.main == 0


def test_coverage_is_the_share_inside_the_interval():
    """Errors of deviation 1 are within 1.645 for 90 % of the images."""
    scores = score_values(*make(20_000), ("a", "b"), (1.645, 0.0))

    assert scores.columns["a"].coverage == pytest.approx(0.9, abs=0.01)
    assert scores.columns["b"].coverage < 0.01
