"""Heads that are trained on other folds."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.insight.out_of_fold import predict_out_of_fold
from pipeline.stage_two.spec import parse_head
from tests.insight.samples import make_whole


@pytest.mark.parametrize("head", ["logreg:C=1", "lda", "knn:k=3"])
def test_every_image_is_predicted_by_a_head(head):
    """Each has probabilities that sum to 1, and most are right."""
    done = predict_out_of_fold(parse_head(head), make_whole(60))

    np.testing.assert_allclose(done.outputs.sum(axis=1), 1, atol=1e-5)
    assert done.accuracy > 0.4
    assert done.chosen == "5 folds"


def test_copies_are_in_one_fold():
    """Of images that are all there twice, the nearest neighbour would know every random label, were its copy in another fold."""
    whole = make_whole(30, num_classes=3)
    rng = np.random.default_rng(0)
    X, y = np.concatenate([whole.X, whole.X]), np.tile(rng.permutation(whole.y), 2)
    twice = type(whole)(whole.task, X, y, np.arange(60), np.tile(np.arange(30), 2))
    apart = type(whole)(whole.task, X, y, np.arange(60), np.arange(60))

    assert predict_out_of_fold(parse_head("knn:k=1"), twice).accuracy < 0.7
    assert predict_out_of_fold(parse_head("knn:k=1"), apart).accuracy > 0.7


def test_the_only_image_of_a_class_takes_part_in_every_training():
    """It is not predicted, and every head knows its class."""
    whole = make_whole(31, num_classes=3)
    y = np.where(np.arange(31) == 30, 2, whole.y % 2)
    done = predict_out_of_fold(
        parse_head("logreg:C=1"), type(whole)(whole.task, whole.X, y, whole.owners, whole.blocks)
    )

    assert done.outputs[30].tolist() == pytest.approx([1 / 3] * 3)
    assert (done.outputs[:30, 2] > 0).all()


def test_class_weights_move_small_classes():
    """Balanced classes: images of a small class get a higher probability of it than without weights."""
    whole = make_whole(90, num_features=2, num_classes=2)
    y = np.where(np.arange(90) % 9 == 0, 1, 0)
    whole = replace(whole, X=whole.X + y[:, None] * 1.0, y=y)
    plain, balanced = (
        predict_out_of_fold(parse_head("logreg:C=1"), whole, class_weight=each).outputs for each in (None, "balanced")
    )

    assert balanced[:, 1].mean() > 1.5 * plain[:, 1].mean()
