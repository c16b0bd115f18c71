"""Scores of predictions."""

import json
import math

import numpy as np
import pytest
from sklearn import metrics

from pipeline.tasks.class_scores import ClassScores, score
from pipeline.tasks.scores import score_table, wilson_interval

# Six images of three classes; the predictions of the first, third, fourth and last image are correct.
Y = np.array([0, 0, 1, 1, 2, 2])
P = np.array(
    [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.1, 0.5, 0.4], [0.2, 0.7, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], np.float32
)
CLASSES = ("ant", "bee", "cat")


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        # Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_interval_is_that_of_wilson(correct, total, low, high):
    """The interval has the values that were published for it, at both ends of the scale too."""
    assert wilson_interval(correct, total) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("total", [1, 2, 7, 12, 29, 1000])
def test_interval_holds_the_share_and_stays_within_bounds(total):
    """The interval is a part of [0, 1], holds the share itself, and begins and ends exactly at 0 and 1."""
    for correct in {0, 1, total // 2, total - 1, total}:
        low, high = wilson_interval(correct, total)

        assert 0 <= low <= correct / total <= high <= 1
        assert low < high
    assert wilson_interval(0, total)[0] == 0
    assert wilson_interval(total, total)[1] == 1


def test_interval_of_nothing_is_everything():
    """Without images the interval is [0, 1]."""
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_scores_are_those_worked_out_by_hand():
    """Accuracy, loss, recall, precision, F1 and confusion have the values of a calculation on paper."""
    scores = score(P, Y, CLASSES)
    f1 = [2 * 0.5 * 0.5 / (0.5 + 0.5), 2 * 1 * (2 / 3) / (1 + 2 / 3), 2 * 0.5 * 1 / (0.5 + 1)]

    assert scores.n == 6
    assert scores.accuracy == pytest.approx(4 / 6)
    assert scores.ci95 == pytest.approx(wilson_interval(4, 6))
    assert scores.loss == pytest.approx(-sum(map(math.log, (0.8, 0.3, 0.5, 0.7, 0.2, 0.8))) / 6, rel=1e-6)
    assert scores.recall == pytest.approx({"ant": 1 / 2, "bee": 1, "cat": 1 / 2})
    assert scores.precision == pytest.approx({"ant": 1 / 2, "bee": 2 / 3, "cat": 1})
    assert scores.macro_f1 == pytest.approx(sum(f1) / 3)
    assert set(scores.as_dict()) == {"n", "accuracy", "ci95", "loss", "recall", "precision", "macro_f1", "confusion"}


def test_rows_of_the_confusion_are_true_classes():
    """An image of class 0 that is predicted as class 1 is counted in row 0, column 1."""
    assert score(P, Y, CLASSES).confusion == [[1, 1, 0], [0, 2, 0], [1, 0, 1]]


def test_scores_are_those_of_scikit_learn():
    """On many random predictions, every score equals that of scikit-learn."""
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(7), 200)
    y = rng.integers(0, 7, 200)
    scores = score(P, y, tuple("abcdefg"))
    predicted = P.argmax(axis=1)

    assert scores.accuracy == pytest.approx(metrics.accuracy_score(y, predicted))
    assert scores.loss == pytest.approx(metrics.log_loss(y, P))
    assert scores.macro_f1 == pytest.approx(metrics.f1_score(y, predicted, average="macro"))
    assert scores.top5 == pytest.approx(metrics.top_k_accuracy_score(y, P, k=5))
    assert list(scores.recall.values()) == pytest.approx(metrics.recall_score(y, predicted, average=None))


def test_auc_is_the_share_of_pairs_in_the_right_order():
    """Of all pairs of one image of each class, a tie counts as half."""
    positive = np.array([0.1, 0.4, 0.35, 0.8, 0.35], np.float32)
    y = np.array([0, 0, 1, 1, 0])
    scores = score(np.stack([1 - positive, positive], axis=1), y, ("no", "yes"))

    assert scores.roc_auc == pytest.approx((1 + 0 + 0.5 + 3) / 6)


@pytest.mark.parametrize("label", [0, 1])
def test_no_auc_without_both_classes(label):
    """A split of one class has no pairs; its other scores are there."""
    scores = score(P[:, :2] / P[:, :2].sum(axis=1, keepdims=True), np.full(6, label), ("no", "yes"))

    assert scores.roc_auc is None
    assert scores.n == 6


def test_top5_counts_the_five_best_classes():
    """Above five classes the share of images whose class is among the five most likely is given."""
    P = np.array([[0.3, 0.25, 0.2, 0.1, 0.09, 0.06]] * 3, np.float32)

    assert score(P, np.array([4, 5, 0]), tuple("abcdef")).top5 == pytest.approx(2 / 3)
    assert score(P[:, :5], np.array([4, 3, 0]), tuple("abcde")).top5 is None


def test_class_that_never_occurs_is_no_division_by_zero():
    """Recall and precision of a class that neither occurs nor is predicted are 0."""
    scores = score(np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]], np.float32), np.array([0, 1]), CLASSES)

    assert scores.recall["cat"] == scores.precision["cat"] == 0
    assert scores.confusion[2] == [0, 0, 0]


def test_certainty_that_is_wrong_has_a_finite_loss():
    """A probability of 0 for the true class costs much, not infinitely much."""
    scores = score(np.array([[1.0, 0.0], [0.0, 1.0]], np.float32), np.array([1, 1]), ("no", "yes"))

    assert scores.loss == pytest.approx(-math.log(1e-7) / 2)


def test_certainty_that_is_right_costs_nothing():
    """If all probabilities are 1 and correct, the loss is 0 and not -0."""
    scores = score(np.eye(2, dtype=np.float32), np.array([0, 1]), ("no", "yes"))

    assert str(scores.loss) == "0.0"


def test_scores_are_plain_values():
    """`as_dict` gives plain Python values, which can be written as JSON."""

    def types(value):
        if isinstance(value, dict):
            return set().union(*map(types, value.values()))
        return set().union(*map(types, value)) if isinstance(value, list) else {type(value)}

    rng = np.random.default_rng(0)

    assert types(score(rng.dirichlet(np.ones(7), 9).astype(np.float32), np.arange(9) % 7, "abcdefg").as_dict()) == {
        int,
        float,
    }


def test_scores_come_back_from_plain_values():
    """`from_dict` reverses `as_dict`; a missing score is an error."""
    values = score(P, Y, CLASSES).as_dict()

    assert ClassScores.from_dict(values) == score(P, Y, CLASSES)
    with pytest.raises(TypeError, match="accuracy"):
        ClassScores.from_dict({name: value for name, value in values.items() if name != "accuracy"})


def test_scores_are_shown_in_one_line():
    """The display has accuracy with its interval, loss and number of images, and no confusion matrix."""
    assert repr(score(P, Y, CLASSES)) == "Scores(accuracy=0.6667 [0.3, 0.9032], loss=0.7183, n=6)"


def test_scores_are_shown_in_notebooks():
    """One table has the scores over all classes and one those of each class; names of classes are escaped."""
    shown = score(P, Y, ("<b>ant</b>", "bee", "cat"))._repr_html_()

    assert "0.300 to 0.903" in shown
    assert "&lt;b&gt;ant&lt;/b&gt;" in shown
    assert "<b>" not in shown
    assert shown.count("<tr>") == 2 + 1 + 3
    assert "ROC" not in shown, "it does not apply to three classes"


def test_splits_are_rows_of_one_table():
    """Each split is a row, with its number of images."""
    shown = score_table({"validation": score(P, Y, CLASSES), "test": score(P[:3], Y[:3], CLASSES)})

    assert shown.index(">validation<") < shown.index(">6<") < shown.index(">test<") < shown.index(">3<")


@pytest.mark.parametrize("num_classes", [3, 1200])
def test_stored_scores_come_back(num_classes):
    """Scores of many classes are stored without the zeros of their confusion matrix, and are the same when they are read."""
    rng = np.random.default_rng(0)
    p, y = rng.random((2000, num_classes)).astype(np.float32), rng.integers(0, num_classes, 2000)
    scores = score(p / p.sum(axis=1, keepdims=True), y, [f"class {number}" for number in range(num_classes)])
    text = json.dumps(scores.as_stored())

    assert (
        ClassScores.from_dict(json.loads(text))
        == ClassScores.from_dict(json.loads(json.dumps(scores.as_dict())))
        == scores
    )
    assert len(text) < 200_000
