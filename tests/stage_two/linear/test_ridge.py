"""Ridge regression in closed form."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from pipeline.stage_two.linear.factors import factor
from pipeline.stage_two.linear.fit import factors_of, fit_linear
from pipeline.stage_two.linear.moments import Moments
from pipeline.stage_two.linear.ridge import decompose, fit_ridge, fit_ridge_to_moments
from pipeline.stage_two.rows import LabelledRows
from pipeline.stage_two.spec import parse_head
from tests.stage_two.tasks import SHAPES, shaped_task

VALUES = (0.1, 1.0, 100.0)


def solve(task, factors):
    """The solutions for `VALUES`, without leave-one-out."""
    return list(fit_ridge(factors.decomposition, task.task.columns(task.train.y), VALUES, with_leave_one_out=False))


def scaled_features(task):
    X = task.train.flat.astype(np.float64)
    return (X - X.mean(axis=0)) / X.std(axis=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_decomposition_multiplies_to_the_rows(shape):
    """U diag(s) V' is X, and the columns of U and V are orthonormal."""
    X = factor(shaped_task(shape).train.flat, "standard").X
    known = decompose(X)

    assert np.allclose(known.U * known.s @ known.V.T, X, atol=1e-5)
    assert np.allclose(known.U.T @ known.U, np.eye(len(known.s)), atol=1e-5)
    assert np.allclose(known.V.T @ known.V, np.eye(len(known.s)), atol=1e-5)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_solution_is_that_of_both_formulas(shape, num_classes):
    """W is (X'X + alpha I)^-1 X'Y, a D x D system, and X'(XX' + alpha I)^-1 Y, an N x N system, in both cases."""
    task = shaped_task(shape, num_classes)
    factors = factor(task.train.flat, "standard")
    X, y = scaled_features(task), task.train.y
    Y = task.task.columns(y)
    Y0 = Y - Y.mean(axis=0)
    for alpha, fit in zip(VALUES, solve(task, factors), strict=True):
        received = factors.unproject(fit.weights.astype(np.float32))
        by_features = np.linalg.solve(X.T @ X + alpha * np.eye(X.shape[1]), X.T @ Y0)
        by_images = X.T @ np.linalg.solve(X @ X.T + alpha * np.eye(len(X)), Y0)

        np.testing.assert_allclose(by_features, by_images, atol=1e-9)
        np.testing.assert_allclose(received, by_features, atol=2e-5)
        np.testing.assert_allclose(fit.bias, Y.mean(axis=0))
        assert fit.left_out is None


@pytest.mark.parametrize("num_classes", [2, 3])
def test_solution_from_moments_is_the_same(num_classes):
    """Products that are summed in blocks give the solution of all rows at once."""
    task = shaped_task("narrow", num_classes)
    X, y = task.train.flat, task.train.y
    factors, columns = factor(X, "standard"), np.concatenate([X, task.task.columns(y)], axis=1)
    moments = Moments(columns.shape[1], with_products=True)
    for block in np.split(columns, [3, 17]):
        moments.add(block)
    streamed = fit_ridge_to_moments(moments, moments.deviation[: X.shape[1]], VALUES)

    for fit, known in zip(streamed, solve(task, factors), strict=True):
        np.testing.assert_allclose(fit.weights, known.weights, atol=1e-5)
        np.testing.assert_allclose(fit.bias, known.bias, atol=1e-12)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_leave_one_out_is_what_leaving_out_gives(shape, num_classes):
    """The accuracy equals that of N separate fits, each without the image that it predicts."""
    task = shaped_task(shape, num_classes)
    X, y = factors_of(parse_head("ridge"), task).X, task.train.y
    for value in (1.0, 100.0):
        correct = 0
        for left_out in range(len(y)):
            others = np.arange(len(y)) != left_out
            estimator = RidgeClassifier(alpha=value).fit(X[others], y[others])
            correct += int(estimator.predict(X[left_out : left_out + 1])[0] == y[left_out])
        received = fit_linear(parse_head(f"ridge:alpha={value}"), task).candidates[0].leave_one_out

        assert received == correct / len(y)
        assert 0 < received < 1


def test_ridge_with_views_is_chosen_on_validation():
    """Without one view of an image, the others still show it, so leave-one-out is not used."""
    task = shaped_task("narrow")
    train = replace(task.train, views=(task.train.X + np.float32(0.01),))
    fit = fit_linear(parse_head("ridge"), LabelledRows(task.task, {**task.splits, "train": train}))

    assert all(entry.leave_one_out is None for entry in fit.candidates)
    best = min(entry.loss for entry in fit.candidates)
    assert next(entry.loss for entry in fit.candidates if entry.value == fit.value) == best
