"""Recalibrated probabilities, and the calibration error."""

import json

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from pipeline.tasks.calibration import (
    SAME,
    Curve,
    Isotonic,
    Temperature,
    calibration_error,
    calibration_from_dict,
    fit_calibration,
    fit_curve,
    pool_adjacent_violators,
)
from pipeline.tasks.class_scores import score
from pipeline.tasks.label_scores import binary_loss
from pipeline.tasks.links import sigmoid, softmax

METHODS = ("temperature", "isotonic")


def overconfident(num_classes, count=3000, seed=0, factor=3.0):
    """Probabilities that are too sure: softmax of a multiple of the sums that the classes were drawn by; and the classes."""
    rng = np.random.default_rng(seed)
    sums = rng.normal(0, 1.2, (count, num_classes))
    y = (softmax(sums).cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    return softmax(factor * sums), y


def labels(count=3000, seed=0):
    """Too sure probabilities of three labels, and answers some of which are not known."""
    rng = np.random.default_rng(seed)
    sums = rng.normal(0, 1.2, (count, 3))
    y = (sigmoid(sums) > rng.random(sums.shape)).astype(np.float32)
    y[rng.random(y.shape) < 0.1] = np.nan
    return sigmoid(3 * sums), y


@pytest.mark.parametrize("seed", range(5))
def test_pooling_is_that_of_scikit_learn(seed):
    """With weights, and values that are equal."""
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(np.arange(80) / 20).round(1), rng.integers(1, 5, 80).astype(float)
    expected = IsotonicRegression().fit(np.arange(80), values, weights).predict(np.arange(80))

    np.testing.assert_allclose(pool_adjacent_violators(values, weights), expected, atol=1e-12)


def test_curve_is_that_of_scikit_learn():
    """To what ranges of a hundredth, and values that are never certain, leave over."""
    p, y = overconfident(2)
    expected = IsotonicRegression(out_of_bounds="clip").fit(p[:, 1], y).predict(p[:, 1])
    difference = np.abs(fit_curve(p[:, 1], y)(p[:, 1]) - expected)

    assert difference.mean() < 0.03
    assert difference.max() < 0.15


def test_curve_is_short_and_never_certain():
    """At most 100 knots, not steeper than 200, from 1 / (n + 2) to (n + 1) / (n + 2)."""
    rng = np.random.default_rng(0)
    p = rng.random(5000)
    curve = fit_curve(p, p > 0.5)
    curve.check()
    slopes = np.diff(curve.y) / np.diff(curve.x)

    assert 2 <= len(curve.x) <= 100
    assert slopes.max() <= 200
    assert (curve.y[0], curve.y[-1]) == pytest.approx((1 / 5002, 5001 / 5002))


@pytest.mark.parametrize("y", [np.ones(50), np.zeros(50), np.full(50, np.nan)])
def test_equal_answers_change_nothing(y):
    """There is nothing to fit."""
    assert fit_curve(np.linspace(0, 1, 50), y) == SAME


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("num_classes", [2, 4])
def test_calibration_holds_on_other_images(method, num_classes):
    """Fitted on some images, the error of others is a fraction of what it was, their loss too; rows still sum to 1."""
    p, y = overconfident(num_classes)
    other, other_y = overconfident(num_classes, seed=1)
    names = tuple("abcd"[:num_classes])

    def error(values):
        return calibration_error(values.max(axis=1), values.argmax(axis=1) == other_y)

    after = fit_calibration(method, "softmax", p, y).apply(other)

    assert after.dtype == np.float32
    np.testing.assert_allclose(after.sum(axis=1), 1, atol=1e-5)
    assert error(other) > 0.1
    assert error(after) < 0.04
    assert score(after, other_y, names).loss < score(other, other_y, names).loss - 0.1


@pytest.mark.parametrize("method", METHODS)
def test_labels_are_calibrated_where_they_are_known(method):
    """Each of its own, without a sum of 1."""
    p, y = labels()
    other, other_y = labels(seed=1)
    after = fit_calibration(method, "sigmoid", p, y).apply(other)

    assert binary_loss(after, other_y) < binary_loss(other, other_y) - 0.05
    assert ((after >= 0) & (after <= 1)).all()


def test_factor_undoes_the_one_that_made_probabilities_too_sure():
    """Sums times 3 are a factor of 1/3."""
    p, y = overconfident(4, count=20000)

    assert fit_calibration("temperature", "softmax", p, y).factor == pytest.approx(1 / 3, rel=0.05)


def test_temperature_keeps_every_prediction():
    """It only moves all probabilities towards each other, or apart."""
    p, y = overconfident(4)

    np.testing.assert_array_equal(
        fit_calibration("temperature", "softmax", p, y).apply(p).argmax(axis=1), p.argmax(axis=1)
    )


def test_none_is_none():
    """The default fits nothing."""
    assert fit_calibration("none", "softmax", *overconfident(2)) is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("link", ["softmax", "sigmoid"])
def test_calibration_comes_back_from_json(method, link):
    """The same one, to the last digit."""
    p, y = overconfident(3) if link == "softmax" else labels()
    fitted = fit_calibration(method, link, p, y)

    assert calibration_from_dict(json.loads(json.dumps(fitted.as_dict())), link, 3) == fitted


TWO = {"x": [0.1, 0.9], "y": [0.2, 0.8]}


@pytest.mark.parametrize(
    "values",
    [
        [],
        "isotonic",
        {},
        {"kind": "magic"},
        {"kind": ["isotonic"]},
        {"kind": "temperature"},
        {"kind": "temperature", "factor": 0},
        {"kind": "temperature", "factor": float("nan")},
        {"kind": "temperature", "factor": float("inf")},
        {"kind": "temperature", "factor": "warm"},
        {"kind": "isotonic", "curves": []},
        {"kind": "isotonic", "curves": [TWO, TWO]},
        {"kind": "isotonic", "curves": 3},
        {"kind": "isotonic", "curves": [3]},
        {"kind": "isotonic", "curves": [{"x": "01", "y": "01"}]},
        {"kind": "isotonic", "curves": [{"x": [0.1], "y": [0.2]}]},
        {"kind": "isotonic", "curves": [TWO | {"x": [0.9, 0.1]}]},
        {"kind": "isotonic", "curves": [TWO | {"x": [0.5, 0.5]}]},
        {"kind": "isotonic", "curves": [TWO | {"y": [0.8, 0.2]}]},
        {"kind": "isotonic", "curves": [TWO | {"y": [0.2, 1.2]}]},
        {"kind": "isotonic", "curves": [TWO | {"y": [0.2, float("nan")]}]},
        {"kind": "isotonic", "curves": [TWO | {"y": [0.2]}]},
        {"kind": "isotonic", "curves": [{"x": np.linspace(0, 1, 500).tolist(), "y": np.linspace(0, 1, 500).tolist()}]},
    ],
    ids=str,
)
def test_impossible_values_are_refused(values):
    """As those of a damaged or hostile file."""
    with pytest.raises((TypeError, ValueError, LookupError)):
        calibration_from_dict(values, "softmax", 2)


def test_numbers_have_none():
    """Only probabilities can be calibrated."""
    with pytest.raises(ValueError, match="numbers have no calibration"):
        calibration_from_dict({"kind": "temperature", "factor": 1.0}, "identity", 1)


def test_error_is_worked_out_by_hand():
    """Two images of confidence 0.9, one of which is right, and two of 0.6, both right: (2 * 0.4 + 2 * 0.4) / 4."""
    assert calibration_error(np.array([0.9, 0.9, 0.6, 0.6]), np.array([True, False, True, True])) == pytest.approx(0.4)
    assert calibration_error(np.empty(0), np.empty(0, bool)) == 0
    assert calibration_error(np.ones(3), np.ones(3, bool)) == 0


def test_apply_by_hand():
    """Of two classes the second is mapped; of more classes the values are divided by their sum; of labels each stands alone."""
    p = np.array([[0.75, 0.25]], np.float32)
    half = Curve((0.0, 1.0), (0.0, 0.5))

    np.testing.assert_allclose(Isotonic("softmax", (half,)).apply(p), [[0.875, 0.125]])
    np.testing.assert_allclose(
        Isotonic("softmax", (half, SAME, SAME)).apply(np.float32([[0.5, 0.25, 0.25]])), [[1 / 3] * 3], rtol=1e-6
    )
    np.testing.assert_allclose(Isotonic("sigmoid", (half, SAME)).apply(p), [[0.375, 0.25]])
    np.testing.assert_allclose(Temperature("softmax", 2.0).apply(p), [[0.9, 0.1]], rtol=1e-6)
    np.testing.assert_allclose(Temperature("sigmoid", 2.0).apply(p), [[0.9, 0.1]], rtol=1e-6)
