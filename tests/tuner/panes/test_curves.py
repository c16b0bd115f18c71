"""ROC and precision-recall curves; where they are seen is tested in a browser."""

import numpy as np
import pytest
from sklearn import metrics

from pipeline.tuner.panes.curves import MAX_POINTS, chart, curve_points

RNG = np.random.default_rng(0)
Y = RNG.random(900) < 0.3
P = np.clip(0.3 * Y + RNG.random(900) * 0.7, 0, 1).astype(np.float32)


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.8])
def test_dot_is_what_the_threshold_finds(cut):
    """Its recall, precision and false positive rate are scikit-learn's at this threshold."""
    curves = curve_points(P, Y, cut)
    given = cut <= P
    recall, precision = metrics.recall_score(Y, given), metrics.precision_score(Y, given)

    assert curves["ROC"][1] == pytest.approx([(given & ~Y).sum() / (~Y).sum(), recall], abs=1e-3)
    assert curves["Precision and recall"][1] == pytest.approx([recall, precision], abs=1e-3)


def test_few_points_have_the_area_of_all():
    """The curve is drawn with some of its points, from corner to corner."""
    points = np.array(curve_points(P, Y, 0.5)["ROC"][0])

    assert len(points) <= MAX_POINTS + 1
    assert (points[0].tolist(), points[-1].tolist()) == ([0, 0], [1, 1])
    assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(metrics.roc_auc_score(Y, P), abs=0.01)


def test_threshold_that_finds_nothing_is_at_the_start():
    """Above all probabilities."""
    assert curve_points(P, Y, 1.1)["ROC"][1] == [0.0, 0.0]


def test_chart_is_told_to_those_who_cannot_see_it():
    """With the point of the threshold."""
    assert "recall 0.8 at the threshold" in chart("ROC", [[0, 0], [1, 1]], [0.1, 0.8])["aria"]["label"]["description"]
