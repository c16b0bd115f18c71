"""ROC and precision-recall curves."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline.tasks.curves import rank_curve

RNG = np.random.default_rng(3)
Y = RNG.random(200) < 0.3
SCORES = np.round(Y * 0.3 + RNG.random(200), 1).astype(np.float32)


def test_curves_are_those_of_scikit_learn():
    """With many equal scores."""
    curve = rank_curve(SCORES, Y)
    fall_out, recall, thresholds = roc_curve(Y, SCORES, drop_intermediate=False)
    precision, recalls, _ = precision_recall_curve(Y, SCORES)

    np.testing.assert_allclose(curve.thresholds, thresholds[1:], rtol=1e-6)
    np.testing.assert_allclose(curve.fall_out, fall_out[1:])
    np.testing.assert_allclose(curve.recall, recall[1:])
    np.testing.assert_allclose(curve.precision[::-1], precision[:-1])
    np.testing.assert_allclose(curve.recall[::-1], recalls[:-1])


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.55, 2.0])
def test_point_of_a_threshold_counts_what_it_finds(threshold):
    """Scores that are equal to it are found; a threshold above all finds nothing."""
    curve, found = rank_curve(SCORES, Y), SCORES.astype(float) >= threshold
    at = curve.at(threshold)

    assert (at == 0) == (not found.any())
    if at:
        assert (curve.found[at - 1], curve.hits[at - 1]) == (found.sum(), (found & Y).sum())


def test_thinned_curve_keeps_its_ends():
    """And is not longer than asked for."""
    curve = rank_curve(RNG.random(1000), RNG.random(1000) < 0.5)
    thin = curve.thinned(50)

    assert 40 < len(thin.thresholds) <= 50
    assert (thin.recall[-1], thin.found[0], thin.found[-1]) == (1, 1, 1000)
    assert rank_curve(SCORES, Y).thinned(50).thresholds.tolist() == rank_curve(SCORES, Y).thresholds.tolist()
