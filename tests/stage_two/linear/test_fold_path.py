"""Folds of linear heads from shared factors."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier

from pipeline.errors import HeadSpecError
from pipeline.stage_two.folds import Folds, divide
from pipeline.stage_two.linear.fit import prepare
from pipeline.stage_two.linear.fold_path import cross_validate_linear
from pipeline.stage_two.spec import parse_head
from tests.stage_two.tasks import HARD, LINEAR_HEADS, make_labels_task, make_numbers_task, make_task, shaped_task

FOLDS = Folds(4, 2)


def specs(*texts):
    return [parse_head(text) for text in texts]


def predicted(task, scores):
    """Predicted labels by name of the image."""
    return {row[0]: row[2] for row in scores.rows}


@pytest.mark.parametrize("shape", ["narrow", "wide"])
@pytest.mark.parametrize("num_classes", [2, 3])
def test_folds_are_those_of_scikit_learn(shape, num_classes):
    """Ridge and logistic regression of given values predict what refits predict, on columns that all rows have scaled."""
    task = shaped_task(shape, num_classes)
    division = divide(task, FOLDS)
    X = division.whole.flat.astype(float)
    Z, y = (X - X.mean(axis=0)) / X.std(axis=0), division.whole.y
    peers = {
        "ridge:alpha=30": RidgeClassifier(alpha=30),
        "ridge:alpha=3": RidgeClassifier(alpha=3),
        "logreg:C=0.01": LogisticRegression(C=0.01, tol=1e-8),
        "logreg:C=1": LogisticRegression(C=1, tol=1e-8),
    }
    heads = list(peers)
    found = [each for pair in (heads[:2], heads[2:]) for each in cross_validate_linear(specs(*pair), division)]
    for peer, scores in zip(peers.values(), found, strict=True):
        expected = [peer.fit(Z[rest], y[rest]).score(Z[held], y[held]) for rest, held in division.parts]
        assert scores.scores == pytest.approx(expected)
        assert len(scores.rows) == len(y)


@pytest.mark.parametrize("head", LINEAR_HEADS)
def test_every_head_has_folds(head):
    """Each image is predicted once in a repeat, and better than by chance; the seed decides."""
    division = divide(make_task(**HARD), FOLDS)
    (one,), (again,) = (cross_validate_linear(specs(head), division) for _ in range(2))

    assert one == again
    assert len(one.scores) == 8
    assert sorted(row[0] for row in one.rows) == sorted(division.whole.names)
    assert one.mean > 0.5
    assert one.loss < 1.1
    assert one.as_dict()["accuracies"] == list(one.scores)


@pytest.mark.parametrize("head", ["ridge", "logreg", "svm", "knn"])
def test_labels_have_folds(head):
    """The mean average precision; a label that nearly all images have is no obstacle."""
    (scores,) = cross_validate_linear(specs(head), divide(make_labels_task(), Folds(3)))

    assert scores.name == "mean_average_precision"
    assert scores.mean > 0.6
    assert scores.as_dict()["scores"] == list(scores.scores)
    assert all(row[3] is None for row in scores.rows)


@pytest.mark.parametrize("head", ["ridge", "sgd", "knn"])
def test_numbers_have_folds(head):
    """R2, in the units of the data."""
    (scores,) = cross_validate_linear(specs(head), divide(make_numbers_task(), Folds(3)))

    assert scores.name == "r2"
    assert scores.mean > (0.2 if head == "knn" else 0.6)
    assert 60 < np.mean([float(row[2].split("|")[0]) for row in scores.rows]) < 140


@pytest.mark.parametrize("kind", ["ridge", "logreg", "svm"])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_held_out_images_have_no_say_in_their_prediction(kind, class_weight):
    """Neither in the fit nor in the choice of the regularisation: other labels of a fold change none of its predictions."""
    task = shaped_task("wide")
    division = divide(task, Folds(4))
    _, held = division.parts[0]
    y = division.whole.y.copy()
    y[held] = (y[held] + 1) % 3
    changed = replace(division, whole=replace(division.whole, y=y))
    one, other = (
        cross_validate_linear(specs(kind), each, class_weight=class_weight)[0].rows[: len(held)]
        for each in (division, changed)
    )

    assert [row[2] for row in one] == [row[2] for row in other]
    assert [row[3] for row in one] == pytest.approx([row[3] for row in other], abs=2e-3)


def test_heads_together_have_the_scores_of_each_alone():
    """A grid, and heads that choose from it."""
    division = divide(make_task(**HARD), FOLDS)
    for texts in (("logreg", "logreg:C=0.001", "logreg:C=0.1"), ("ridge", "ridge:alpha=5", "ridge:alpha=500")):
        together = cross_validate_linear(specs(*texts), division)
        alone = [cross_validate_linear(specs(text), division)[0] for text in texts]
        assert [each.scores for each in together] == [each.scores for each in alone]


def test_components_are_shared_by_the_folds():
    """They use no labels; factors that are already there are used."""
    division = divide(shaped_task("wide"), Folds(3))
    (spec,) = specs("ridge:alpha=1,pca=6,norm=l2")
    factors = prepare(spec, division.whole.flat)

    assert factors.X.shape == (100, 6)
    assert cross_validate_linear([spec], division, factors=factors) == cross_validate_linear([spec], division)


def test_neighbours_with_weights_are_refused():
    """As in a fit."""
    with pytest.raises(HeadSpecError, match="knn has no class weights"):
        cross_validate_linear(specs("knn"), divide(make_task(), Folds(3)), class_weight="balanced")
