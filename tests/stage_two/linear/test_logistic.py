"""Logistic regression without scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.stage_two.linear.factors import factor
from pipeline.stage_two.linear.logistic import fit_labels, fit_logistic
from tests.stage_two.tasks import HARD, make_task

VALUES = (1e-5, 1e-3, 0.1, 10.0)


def training(num_classes, **settings):
    """Standardized features and labels of overlapping clouds."""
    train = make_task(num_classes=num_classes, **settings).train
    return factor(train.flat, "standard").X, train.y


def exact(X, y, C):
    """scikit-learn's optimum, computed to 1e-10 in float64."""
    solver = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10)
    return solver.fit(X.astype(np.float64), y).predict_proba(X.astype(np.float64))


def probabilities(X, fit):
    scores = X @ fit.weights + fit.bias
    if scores.shape[1] == 1:
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("num_classes", [2, 3, 7])
@pytest.mark.parametrize(
    "settings", [HARD, {"shape": (120,), "num_train": 40, "distance": 0.2}], ids=["narrow", "wide"]
)
def test_optimum_is_that_of_scikit_learn(settings, num_classes):
    """Each fit of a path has the probabilities of scikit-learn's exact optimum, to half a thousandth."""
    X, y = training(num_classes, **settings)
    fits = list(fit_logistic(X, y, num_classes, VALUES))

    assert fits[0].weights.shape == (X.shape[1], 1 if num_classes == 2 else num_classes)
    for C, fit in zip(VALUES, fits, strict=True):
        assert np.abs(probabilities(X, fit) - exact(X, y, C)).max() < 5e-4


def test_many_classes_are_multiplied_at_once():
    """Nine columns of scores go through another matrix product than a few; the optimum is the same."""
    X, y = training(7, **HARD)
    y = y + 2 * (np.arange(len(y)) % 2)
    (fit,) = fit_logistic(X, y, 9, (0.1,))

    assert np.abs(probabilities(X, fit) - exact(X, y, 0.1)).max() < 5e-4


def test_separable_classes_without_regularisation_end():
    """Where the optimum is at infinity, the fit ends with finite weights that classify every image correctly."""
    X, y = training(3, distance=30)
    (fit,) = fit_logistic(X, y, 3, (1e12,))

    assert np.isfinite(fit.weights).all()
    assert ((X @ fit.weights + fit.bias).argmax(axis=1) == y).all()


def test_class_without_training_images_is_never_likely():
    """A class that only other splits have gets a column of its own, and next to no probability."""
    X, y = training(2, **HARD)
    (fit,) = fit_logistic(X, y, 3, (0.1,))

    assert probabilities(X, fit)[:, 2].max() < 1e-3


def label_rows(num_images=60, num_features=12):
    """Features, and three labels that overlap; one in four answers is not known."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(num_images, num_features)).astype(np.float32)
    y = (X[:, :3] + rng.normal(size=(num_images, 3)) > [0, 0.5, 1]).astype(np.float32)
    y[rng.random(y.shape) < 0.25] = np.nan
    return X, y


@pytest.mark.parametrize("is_weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("num_features", [12, 90], ids=["narrow", "wide"])
def test_labels_are_fitted_as_if_each_were_alone(num_features, is_weighted):
    """The probabilities of each label are those of scikit-learn on the images of which it is known."""
    X, y = label_rows(num_features=num_features)
    weights = np.linspace(0.2, 1.8, len(X)) if is_weighted else None
    for C, fit in zip(VALUES, fit_labels(X, y, VALUES, weights), strict=True):
        for label, answers in enumerate(y.T):
            known = np.isfinite(answers)
            alone = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10)
            alone.fit(X[known].astype(np.float64), answers[known], None if weights is None else weights[known])
            received = 1 / (1 + np.exp(-(X @ fit.weights[:, label] + fit.bias[label])))
            assert np.abs(received - alone.predict_proba(X)[:, 1]).max() < 1e-3


@pytest.mark.parametrize("num_classes", [2, 3])
def test_weights_of_images_are_those_of_scikit_learn(num_classes):
    """Of two classes, and of more."""
    X, y = training(num_classes, **HARD)
    weights = np.where(y == 0, 2.0, 0.5)
    for C, fit in zip(VALUES, fit_logistic(X, y, num_classes, VALUES, weights), strict=True):
        solver = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10).fit(X.astype(float), y, weights)
        assert np.abs(probabilities(X, fit) - solver.predict_proba(X)).max() < 5e-4


def test_a_label_that_is_solved_early_waits_for_the_others():
    """One label can be told apart perfectly, the other is noise: both end at their own optimum."""
    X, y = label_rows()
    y = np.stack([(X[:, 0] > 0), y[:, 2] == 1], axis=1).astype(np.float32)
    (fit,) = fit_labels(X, y, (10.0,))

    alone = [next(iter(fit_labels(X, column[:, None], (10.0,)))) for column in y.T]
    for label, own in enumerate(alone):
        assert np.abs(fit.weights[:, label] - own.weights[:, 0]).max() < 2e-2 * np.abs(own.weights).max()
