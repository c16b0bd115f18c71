"""Ridge without some of its images."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from pipeline.stage_two.linear.leave_out import leave_out, refit
from pipeline.stage_two.linear.ridge import decompose

VALUES = (0.3, 10.0, 1000.0)
HELD = np.array([1, 4, 5, 11, 17])


def problem(num_features, num_columns=3):
    """Centred columns, and targets."""
    rng = np.random.default_rng(2)
    X = rng.normal(size=(24, num_features)) @ np.diag(rng.uniform(0.2, 2, num_features))
    return X - X.mean(axis=0), X[:, :1] + rng.normal(size=(24, num_columns))


@pytest.mark.parametrize("num_columns", [1, 3])
@pytest.mark.parametrize("num_features", [6, 60], ids=["narrow", "wide"])
def test_closed_form_equals_refits(num_features, num_columns):
    """Held-out images by the fit to the others, and these by leave-one-out among themselves: scikit-learn's refits, to 1e-6."""
    X, Y = problem(num_features, num_columns)
    rest = np.setdiff1d(np.arange(len(X)), HELD)
    for alpha, fit in zip(VALUES, leave_out(decompose(X), Y, VALUES, HELD, rest), strict=True):
        expected = Ridge(alpha=alpha).fit(X[rest], Y[rest]).predict(X[HELD]).reshape(fit.held.shape)
        assert np.abs(fit.held - expected).max() < 1e-6
        for position, row in enumerate(rest):
            others = rest[rest != row]
            alone = Ridge(alpha=alpha).fit(X[others], Y[others]).predict(X[row : row + 1])
            assert np.abs(fit.rest[position] - alone).max() < 1e-6


@pytest.mark.parametrize("num_features", [6, 60], ids=["narrow", "wide"])
def test_refits_equal_the_closed_form(num_features):
    """Where a fold is refitted instead, the numbers are the same."""
    X, Y = problem(num_features)
    rest = np.setdiff1d(np.arange(len(X)), HELD)
    pairs = zip(leave_out(decompose(X), Y, VALUES, HELD, rest), refit(X, Y, VALUES, HELD, rest), strict=True)
    for closed, again in pairs:
        assert np.abs(closed.held - again.held).max() < 1e-6
        assert np.abs(closed.rest - again.rest).max() < 1e-6


def test_refits_have_weights_and_unknown_targets():
    """Each column is fitted to the images whose target is known, with their weights."""
    X, Y = problem(60)
    Y[::4, 1] = np.nan
    rest = np.setdiff1d(np.arange(len(X)), HELD)
    weights = np.linspace(0.5, 1.5, len(rest))
    for alpha, fit in zip(VALUES, refit(X, Y, VALUES, HELD, rest, weights), strict=True):
        for column in range(3):
            known = np.isfinite(Y[rest, column])
            alone = Ridge(alpha=alpha).fit(X[rest][known], Y[rest][known, column], weights[known])
            assert np.abs(fit.held[:, column] - alone.predict(X[HELD])).max() < 1e-6
            assert np.array_equal(np.isfinite(fit.rest[:, column]), known)
