"""Training features prepared for all linear heads."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.stage_two.linear.factors import factor
from pipeline.stage_two.linear.fit import choose, factors_of, fit_linear, fit_path
from pipeline.stage_two.rows import LabelledRows
from pipeline.stage_two.spec import parse_head
from tests.stage_two.tasks import NUM_SHAPED, SHAPES, shaped_task


@pytest.mark.parametrize("scale", ["standard", "none"])
def test_projection_keeps_all_products(scale):
    """With more features than images, the projected rows have the same products as the scaled rows."""
    X = shaped_task("wide").train.flat
    factors = factor(X, scale)
    scaled = (X - X.mean(axis=0)) / (X.std(axis=0) if scale == "standard" else 1)

    assert factors.X.shape == (NUM_SHAPED, NUM_SHAPED - 1)  # centred rows span one direction less
    assert np.allclose(factors.X @ factors.X.T, scaled @ scaled.T, atol=1e-5 * (scaled**2).sum(axis=1).max())


def test_weights_are_unprojected():
    """Weights on the coordinates and unprojected weights on the features give other images the same scores."""
    task = shaped_task("wide")
    factors = factor(task.train.flat, "standard")
    weights = np.random.default_rng(0).normal(size=(NUM_SHAPED - 1, 3)).astype(np.float32)
    others = task.validation.flat
    scaled = (others - factors.mean) / factors.scale

    assert np.allclose(factors.project(others) @ weights, scaled @ factors.unproject(weights), atol=1e-3)


def test_equal_images_can_be_projected():
    """Linearly dependent rows are projected as others are."""
    X = np.repeat(shaped_task("wide").train.flat[:10], 4, axis=0)
    factors = factor(X, "standard")
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)

    assert np.isfinite(factors.X).all()
    assert np.allclose(factors.X @ factors.X.T, scaled @ scaled.T, atol=1e-5 * (scaled**2).sum(axis=1).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_other_images_get_the_same_coordinates(shape):
    """The training images, projected as other images are, equal the rows in the factors."""
    X = shaped_task(shape).train.flat
    factors = factor(X, "standard")

    assert np.allclose(factors.project(X), factors.X, atol=1e-5)


def test_features_for_neighbours_do_not_change():
    """Without centring and scaling the features stay as they are, because directions from the origin count."""
    X = shaped_task("wide").train.flat

    assert np.array_equal(factor(X, "none", is_centred=False).X, X)


def test_decomposition_is_computed_once():
    """Ridge for other labels or values reuses it."""
    factors = factor(shaped_task("narrow").train.flat, "standard")

    assert factors.decomposition is factors.decomposition


@pytest.mark.parametrize("head", ["logreg", "svm", "ridge", "sgd", "lda"])
def test_factors_serve_other_labels(head):
    """Factors do not depend on labels: with other labels they give the same head as a new fit."""
    task, spec = shaped_task("wide"), parse_head(head)
    factors = factors_of(spec, task)
    labels = np.random.default_rng(3).integers(0, 3, NUM_SHAPED)
    other = LabelledRows(task.task, {**task.splits, "train": replace(task.train, y=labels)})
    shared = choose(spec, fit_path(spec, factors, other), factors)
    fresh = fit_linear(spec, other)

    assert shared.value == fresh.value
    assert np.array_equal(shared.head.weights, fresh.head.weights)
