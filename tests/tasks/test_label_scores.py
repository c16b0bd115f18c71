"""Scores of several labels, against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from pipeline.tasks.label_scores import average_precision, score_labels

NAMES = ("ant", "bee", "cat", "dog")
THRESHOLDS = (0.5, 0.3, 0.7, 0.5)


def make(count=300, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    y = (rng.random((count, 4)) < (0.5, 0.2, 0.05, 0.9)).astype(np.float32)
    p = np.clip(np.round(0.3 * y + rng.random((count, 4)) * 0.7, 2), 0, 1).astype(np.float32)  # with ties
    y[rng.random(y.shape) < missing] = np.nan
    return p, y


def test_scores_are_those_of_scikit_learn():
    """Mean average precision, F1, AUC, exact match and log loss, with equal probabilities among them."""
    p, y = make()
    scores = score_labels(p, y, NAMES, THRESHOLDS)
    predicted = p >= np.array(THRESHOLDS, np.float32)

    assert scores.mean_average_precision == pytest.approx(metrics.average_precision_score(y, p, average="macro"))
    assert scores.micro_f1 == pytest.approx(metrics.f1_score(y, predicted, average="micro"))
    assert scores.macro_f1 == pytest.approx(metrics.f1_score(y, predicted, average="macro"))
    assert scores.exact_match == pytest.approx(metrics.accuracy_score(y, predicted))
    assert scores.loss == pytest.approx(
        np.mean([metrics.log_loss(a, b) for a, b in zip(y.T, np.clip(p, 1e-7, 1 - 1e-7).T, strict=True)]), rel=1e-4
    )
    for k, each in enumerate(scores.labels.values()):
        assert each.roc_auc == pytest.approx(metrics.roc_auc_score(y[:, k], p[:, k]))
        assert each.recall == pytest.approx(metrics.recall_score(y[:, k], predicted[:, k]))


def test_unknown_answers_are_left_out():
    """The scores of a label are those of the images whose answer is known."""
    p, y = make(missing=0.3)
    scores = score_labels(p, y, NAMES, THRESHOLDS)
    for k, each in enumerate(scores.labels.values()):
        known = np.isfinite(y[:, k])

        assert each.images == known.sum()
        assert each.average_precision == pytest.approx(metrics.average_precision_score(y[known, k], p[known, k]))
    complete = np.isfinite(y).all(axis=1)
    assert scores.exact_match == score_labels(p[complete], y[complete], NAMES, THRESHOLDS).exact_match


def test_interval_holds_the_score_and_narrows():
    """It is that of a bootstrap over images: with 16 times the images it is about a quarter as wide."""
    widths = []
    for count in (200, 3200):
        scores = score_labels(*make(count), NAMES, THRESHOLDS)
        low, high = scores.ci95
        assert low < scores.main < high
        widths.append(high - low)

    assert 2.5 < widths[0] / widths[1] < 8


def test_label_without_a_positive_image_has_no_average_precision():
    """It does not count for the mean; without any positive image the mean is 0."""
    p, y = make()
    y[:, 2] = 0
    scores = score_labels(p, y, NAMES, THRESHOLDS)

    assert scores.labels["cat"].average_precision is None
    assert scores.main == pytest.approx(
        metrics.average_precision_score(y[:, [0, 1, 3]], p[:, [0, 1, 3]], average="macro")
    )
    assert score_labels(p, np.zeros_like(y), NAMES, THRESHOLDS).main == 0


def test_average_precision_of_a_sample_counts_images_so_often():
    """As if they were repeated."""
    p, y = make(40)
    counts = np.random.default_rng(3).integers(0, 4, (5, 40))
    received = average_precision(p[:, 0], y[:, 0] == 1, counts)
    expected = [metrics.average_precision_score(np.repeat(y[:, 0], row), np.repeat(p[:, 0], row)) for row in counts]

    np.testing.assert_allclose(received, expected)
