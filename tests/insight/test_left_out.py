"""Ridge without a part of its images, against refits."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from pipeline.insight.left_out import LeavingOut, default_ridge, leave_out_ridge, weighted
from pipeline.stage_two.linear.factors import factor
from pipeline.stage_two.linear.ridge import decompose
from pipeline.stage_two.spec import parse_head
from tests.insight.samples import make_whole

VALUES = (0.3, 30.0)


def refits(X, Y, alpha, blocks, weights=None):
    """The scores of each row by a ridge of scikit-learn on the rows of all other blocks."""
    scores = np.empty_like(Y)
    for block in np.unique(blocks):
        inside = blocks == block
        own = None if weights is None else weights[~inside]
        fit = Ridge(alpha=alpha).fit(X[~inside], Y[~inside], sample_weight=own)
        scores[inside] = fit.predict(X[inside]).reshape(inside.sum(), -1)
    return scores


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize("num_features", [6, 60])
def test_each_image_is_judged_by_a_fit_without_it(num_classes, num_features):
    """With fewer and with more features than images, the scores are those of N refits."""
    whole = make_whole(num_features=num_features, num_classes=num_classes)
    X, Y = whole.X.astype(np.float64) - whole.X.mean(axis=0), whole.task.columns(whole.y)
    leaving = LeavingOut(factor(whole.X, "none").decomposition, whole.blocks)
    for alpha in VALUES:
        np.testing.assert_allclose(leaving.scores(Y, alpha), refits(X, Y, alpha, whole.blocks), atol=1e-4)


@pytest.mark.parametrize("weights", [None, np.linspace(0.2, 3, 24)])
def test_groups_leave_together(weights):
    """Groups of one, two, three and nine images, with and without weights: the scores are those of refits without the group."""
    blocks = np.array([0, 1, 2, 2, 3, 3, 4, 4, 4, *[5] * 9, *range(6, 12)])
    whole = make_whole(blocks=blocks)
    X, Y = whole.X.astype(np.float64), whole.task.columns(whole.y)
    known = decompose(X - X.mean(axis=0)) if weights is None else weighted(X, weights)
    leaving = LeavingOut(known, blocks, weights)
    for alpha in VALUES:
        np.testing.assert_allclose(leaving.scores(Y, alpha), refits(X, Y, alpha, blocks, weights), atol=1e-6)


def test_views_leave_with_their_image():
    """The scores of view 0 are those of refits without all views of the image."""
    whole = make_whole(num_views=2)
    judge = leave_out_ridge(parse_head("ridge:alpha=1,scale=none"), whole).judge
    Y = whole.task.columns(whole.y[whole.owners])
    expected = refits(whole.X.astype(np.float64), Y, 1.0, whole.owners)[:24]

    np.testing.assert_allclose(judge.scores(whole.y), expected, atol=1e-4)


def test_a_corrected_label_is_judged_again():
    """With another label of one image, what is said of the image itself stays, and of the others it is as after a new fit."""
    whole = make_whole()
    spec = parse_head("ridge:alpha=1")
    y = np.where(np.arange(24) == 5, (whole.y + 1) % 3, whole.y)
    judge, again = (leave_out_ridge(spec, one).judge for one in (whole, replace(whole, y=y)))

    np.testing.assert_allclose(judge.scores(y), again.scores(y))
    np.testing.assert_allclose(judge.scores(y)[5], judge.scores(whole.y)[5])
    assert not np.allclose(judge.scores(y)[6], judge.scores(whole.y)[6])
    assert judge.temperature > 0


def test_regularisation_is_chosen_on_left_out_images():
    """Of all values, the chosen one has an accuracy that no other beats significantly, and probabilities sum to 1."""
    done = leave_out_ridge(parse_head("ridge"), make_whole(60))

    assert done.chosen.startswith("alpha ")
    assert 1 / 3 < done.accuracy <= 1
    np.testing.assert_allclose(done.outputs.sum(axis=1), 1, atol=1e-5)


def test_weights_groups_and_views_together():
    """With weights of the images, the scores are those of weighted refits without the group and all its views."""
    blocks = [0, 0, *range(1, 23)]
    whole = make_whole(blocks=blocks, num_views=1)
    weights = np.linspace(0.5, 1.5, 24)
    judge = leave_out_ridge(parse_head("ridge:alpha=3,scale=none"), whole, weights).judge
    Y, own = whole.task.columns(whole.y[whole.owners]), whole.owners
    expected = refits(whole.X.astype(np.float64), Y, 3.0, whole.blocks[own], weights[own])[:24]

    np.testing.assert_allclose(judge.scores(whole.y), expected, atol=1e-4)
    assert not np.allclose(
        judge.scores(whole.y), leave_out_ridge(parse_head("ridge:alpha=3,scale=none"), whole).judge.scores(whole.y)
    )


def test_the_usual_ridge_is_that_of_the_command():
    """With its grid and scaling."""
    assert default_ridge() == parse_head("ridge")
