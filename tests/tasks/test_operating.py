"""Thresholds by a goal."""

import numpy as np
import pytest

from pipeline.errors import SettingError
from pipeline.tasks.operating import Goal


def make_scores(count=300, seed=0, decimals=2):
    """Scores with many equal ones, and answers that depend on them."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, count)
    return np.clip(rng.normal(0.4 + 0.2 * y, 0.2), 0, 1).round(decimals).astype(np.float32), y


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("f1", "f1"),
        ("recall=0.95", "recall=0.95"),
        ("precision=1", "precision=1"),
        ("0.3", "0.3"),
        (0.25, "0.25"),
        (1, "1"),
    ],
)
def test_goals_come_back_from_their_text(text, shown):
    """A number may also be a number."""
    assert str(Goal.parse(text)) == shown
    assert Goal.parse(shown) == Goal.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "f1=0.5", "recall", "recall=", "recall=0", "recall=1.1", "accuracy=0.9", "1.5", "-0.1", "nan", "recall=nan"],
)
def test_other_goals_are_refused(text):
    """The message lists what there is."""
    with pytest.raises(SettingError, match=r"--threshold is f1, recall=0\.95, precision=0\.9 .* Received: " + text):
        Goal.parse(text)


def scores_at(threshold, scores, y):
    predicted = scores >= np.float32(threshold)
    hits = (predicted & (y == 1)).sum()
    return hits / max(predicted.sum(), 1), hits / (y == 1).sum()


@pytest.mark.parametrize("seed", range(5))
def test_the_chosen_threshold_is_the_best_of_all(seed):
    """By trying every threshold: the largest F1; the highest one with the recall; the lowest one with the precision."""
    scores, y = make_scores(seed=seed)
    tried = {threshold: scores_at(threshold, scores, y) for threshold in np.unique(scores)}

    def f1(pair):
        return 2 * pair[0] * pair[1] / max(sum(pair), 1e-9)

    chosen = {text: Goal.parse(text).choose(scores, y) for text in ("f1", "recall=0.9", "precision=0.75")}
    at = {text: scores_at(each.value, scores, y) for text, each in chosen.items()}

    assert {each.missed for each in chosen.values()} == {None}
    assert f1(at["f1"]) == pytest.approx(max(map(f1, tried.values())))
    assert at["recall=0.9"] == tried[max(t for t, (_, recall) in tried.items() if recall >= 0.9)]
    assert at["precision=0.75"] == tried[min(t for t, (precision, _) in tried.items() if precision >= 0.75)]


def test_precision_that_no_threshold_has_is_told():
    """The largest precision is taken, with the most recall that it comes with."""
    p, y = np.array([0.9, 0.8, 0.7, 0.6, 0.2], np.float32), np.array([0, 1, 1, 0, 0])
    chosen = Goal.parse("precision=0.9").choose(p, y)

    assert chosen.missed == pytest.approx(2 / 3)
    assert 0.6 < chosen.value < 0.7


def test_unknown_answers_take_no_part():
    """As if these images were not there."""
    scores, y = make_scores(60)
    y = y.astype(np.float32)
    y[::3] = np.nan
    known = np.isfinite(y)

    assert Goal("f1").choose(scores, y) == Goal("f1").choose(scores[known], y[known])


@pytest.mark.parametrize("answer", [0, 1, np.nan])
def test_equal_answers_decide_nothing(answer):
    """The threshold is 1/2; a given one stays."""
    p, y = np.array([0.2, 0.7], np.float32), np.full(2, answer)

    assert Goal.parse("recall=0.9").choose(p, y).value == 0.5
    assert Goal.parse("0.3").choose(p, y).value == 0.3


def test_threshold_is_kept_apart_from_the_next_probability():
    """Of two neighbouring float32 numbers there is none between: the upper one is the threshold."""
    below = np.float32(0.9)
    above = np.nextafter(below, np.float32(1))
    chosen = Goal("f1").choose(np.array([above, below]), np.array([1, 0]))

    assert np.float32(below) < np.float32(chosen.value) <= above
