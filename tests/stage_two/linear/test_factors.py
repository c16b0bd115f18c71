"""One factorisation for all linear heads, and what it gives for nothing: ridge's leave-one-out."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from pipeline.stage_two.linear.factors import factor
from pipeline.stage_two.linear.fit import choose, factors_of, fit_linear, fit_path
from pipeline.stage_two.rows import Task
from pipeline.stage_two.spec import parse_head
from tests.stage_two.tasks import make_task

SHAPES = {"narrow": (8,), "wide": (120,)}
"""Fewer and more features than the 40 training images."""


def task_of(shape, num_classes=3):
    return make_task(SHAPES[shape], num_train=40, num_classes=num_classes, distance=0.2 if shape == "wide" else 0.7)


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_turning_keeps_all_products(scale):
    """With more features than images the turned rows have the products that the scaled ones have."""
    X = task_of("wide").train.flat
    factors = factor(X, scale)
    scaled = (X - X.mean(axis=0)) / (X.std(axis=0) if scale == "standard" else 1)

    assert factors.X.shape == (40, 39)  # centred rows span one direction less
    assert np.allclose(factors.X @ factors.X.T, scaled @ scaled.T, atol=1e-5 * (scaled**2).sum(axis=1).max())


def test_weights_are_turned_back():
    """Weights on the coordinates give other images the scores that the weights on their features do."""
    task = task_of("wide")
    factors = factor(task.train.flat, "standard")
    weights = np.random.default_rng(0).normal(size=(39, 3)).astype(np.float32)
    others = task.validation.flat
    scaled = (others - factors.mean) / factors.scale

    assert np.allclose(factors.turn(others) @ weights, scaled @ factors.turn_back(weights), atol=1e-3)


def test_images_that_stand_twice_are_no_obstacle():
    """Rows that depend on each other are turned like any."""
    X = np.repeat(task_of("wide").train.flat[:10], 4, axis=0)
    factors = factor(X, "standard")
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)

    assert np.isfinite(factors.X).all()
    assert np.allclose(factors.X @ factors.X.T, scaled @ scaled.T, atol=1e-5 * (scaled**2).sum(axis=1).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_other_images_are_turned_alike(shape):
    """The training images themselves, asked for as other images are, come out as the factors have them."""
    X = task_of(shape).train.flat
    factors = factor(X, "standard")

    assert np.allclose(factors.turn(X), factors.X, atol=1e-5)


def test_features_for_neighbours_stay_where_they_are():
    """Without centring or scaling nothing changes: directions from the origin count."""
    X = task_of("wide").train.flat

    assert np.array_equal(factor(X, "none", is_centred=False).X, X)


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_vectors_multiply_to_the_rows(shape):
    """U diag(s) V' is X."""
    factors = factor(task_of(shape).train.flat, "standard")
    left, lengths, right = factors.singular_vectors
    product = left * lengths @ right.T

    assert np.allclose(product, factors.X, atol=1e-5)
    assert np.allclose(left.T @ left, np.eye(len(lengths)), atol=1e-5)


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_leave_one_out_is_what_leaving_out_gives(shape, num_classes):
    """The accuracy that comes with the path is that of as many fits as images, each without the one that it is asked."""
    task = task_of(shape, num_classes)
    X, y = factors_of(parse_head("ridge"), task).X, task.train.y
    for value in (1.0, 100.0):
        right = 0
        for left_out in range(len(y)):
            others = np.arange(len(y)) != left_out
            estimator = RidgeClassifier(alpha=value).fit(X[others], y[others])
            right += int(estimator.predict(X[left_out : left_out + 1])[0] == y[left_out])
        received = fit_linear(parse_head(f"ridge:alpha={value}"), task).candidates[0]["leave_one_out"]

        assert received == right / len(y)
        assert 0 < received < 1


def test_ridge_with_views_is_chosen_on_validation():
    """Views of one image are no independent images: leaving one out would leave its likeness in."""
    task = task_of("narrow")
    train = replace(task.train, views=(task.train.X + np.float32(0.01),))
    fit = fit_linear(parse_head("ridge"), Task(task.classes, {**task.splits, "train": train}))

    assert all("leave_one_out" not in entry for entry in fit.candidates)
    best = max(entry["accuracy"] for entry in fit.candidates)
    assert next(entry["accuracy"] for entry in fit.candidates if entry["value"] == fit.value) == best


@pytest.mark.parametrize("head", ["logreg", "svm", "ridge", "sgd", "lda"])
def test_factors_serve_other_labels(head):
    """The factors know nothing of labels: with another label set they give what a fit from scratch gives."""
    task, spec = task_of("wide"), parse_head(head)
    factors = factors_of(spec, task)
    labels = np.random.default_rng(3).integers(0, 3, 40)
    other = Task(task.classes, {**task.splits, "train": replace(task.train, y=labels)})
    shared = choose(spec, fit_path(spec, factors, other), factors)
    fresh = fit_linear(spec, other)

    assert shared.value == fresh.value
    assert np.array_equal(shared.head.weights, fresh.head.weights)
