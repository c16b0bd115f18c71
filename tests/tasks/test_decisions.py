"""What is decided on validation, by each kind of task."""

import json
import logging

import numpy as np
import pytest

from pipeline.errors import SettingError
from pipeline.tasks.classification import Classification
from pipeline.tasks.decisions import Decisions
from pipeline.tasks.kinds import task_from_dict
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression

PAIR, THREE = Classification(("no", "yes")), Classification(("a", "b", "c"))
LABELS, NUMBERS = Multilabel(("cat", "dog")), Regression(("age",))


def two_classes(count=400, seed=0):
    """Probabilities of two classes, the second of which is rare, and the classes."""
    rng = np.random.default_rng(seed)
    y = (rng.random(count) < 0.2).astype(np.int64)
    p = np.clip(rng.normal(0.3 + 0.25 * y, 0.15), 0, 1).astype(np.float32)
    return np.stack([1 - p, p], axis=1), y


def two_labels():
    """The same probabilities as those of two labels, the second with other answers, some of them unknown."""
    outputs, y = two_classes()
    other = two_classes(seed=1)
    targets = np.stack([y, other[1]], axis=1).astype(np.float32)
    targets[::5, 1] = np.nan
    return np.stack([outputs[:, 1], other[0][:, 1]], axis=1), targets


def test_recall_is_that_of_the_second_class():
    """The threshold that was chosen decides on predictions, answers and scores alike."""
    outputs, y = two_classes()
    task = Decisions("recall=0.95").of(PAIR).settled(outputs, y)
    plain, scores = PAIR.score(outputs, y), task.score(outputs, y)

    assert plain.recall["yes"] < 0.9
    assert 0.95 <= scores.recall["yes"] < 0.99
    assert scores.confusion[1][1] / sum(scores.confusion[1]) == scores.recall["yes"]
    assert task.named_thresholds == {"yes": task.threshold}
    low = np.float32([1 - task.threshold - 0.01, task.threshold + 0.01])
    assert task.answer(low, 2).label == "yes"
    assert low[1] < 0.5


def test_given_threshold_is_taken_as_it_is():
    """Whatever validation says."""
    assert Decisions(0.3).of(PAIR).settled(*two_classes()).threshold == 0.3
    assert Decisions("0.3").of(LABELS).settled(*two_labels()).thresholds == (0.3, 0.3)


def test_without_a_goal_the_more_probable_class_is_predicted():
    """And labels are predicted from the thresholds with the largest F1."""
    assert Decisions().of(PAIR).settled(*two_classes()) == PAIR
    by_default, by_name = (Decisions(goal).of(LABELS).settled(*two_labels()) for goal in (None, "f1"))

    assert by_default.thresholds == by_name.thresholds
    assert len(set(by_default.thresholds) - {0.5}) == 2


def test_each_label_has_its_threshold():
    """Recall is reached for each of them, by its known answers."""
    outputs, y = two_labels()
    scores = Decisions("recall=0.9").of(LABELS).settled(outputs, y).score(outputs, y)

    assert all(0.9 <= each.recall < 0.95 for each in scores.labels.values())
    assert len({each.threshold for each in scores.labels.values()}) == 2


@pytest.mark.parametrize(("task", "data"), [(PAIR, two_classes), (LABELS, two_labels)])
def test_precision_out_of_reach_is_a_warning(task, data, caplog):
    """The run is kept with the largest precision there is, and the warning says how large it is."""
    outputs, y = data()
    flipped = 1 - outputs  # the less probable, the more often right
    with caplog.at_level(logging.WARNING):
        Decisions("precision=0.99").of(task).settled(flipped, y)

    assert "No threshold reaches precision=0.99" in caplog.text
    assert "largest precision" in caplog.text


@pytest.mark.parametrize(
    ("task", "decisions", "message"),
    [
        (
            THREE,
            {"threshold": "f1"},
            r"for two classes, or for several labels.*classification of 3 classes\. .*Leave it out",
        ),
        (NUMBERS, {"threshold": 0.5}, r"for two classes, or for several labels.*regression of 1 column of numbers"),
        (NUMBERS, {"calibrate": "isotonic"}, r"--calibrate is for probabilities.*regression of age"),
    ],
)
def test_decisions_without_an_effect_are_refused(task, decisions, message):
    """Before any work: the message says what they are for."""
    with pytest.raises(SettingError, match=message):
        Decisions(**decisions).of(task)


def test_unknown_values_are_refused():
    """As soon as they are given."""
    with pytest.raises(SettingError, match=r"calibrate.*none.*temperature.*isotonic"):
        Decisions(calibrate="platt")
    with pytest.raises(SettingError, match="--threshold is f1"):
        Decisions("best")


@pytest.mark.parametrize("calibrate", ["none", "temperature", "isotonic"])
@pytest.mark.parametrize(("task", "data"), [(PAIR, two_classes), (LABELS, two_labels)])
def test_settled_task_comes_back_from_json(task, data, calibrate):
    """With goal, thresholds and calibration; an exported file keeps all but the calibration, which its network has inside."""
    settled = Decisions("recall=0.9", calibrate).of(task).settled(*data())
    values = json.loads(json.dumps(settled.as_dict()))

    assert task_from_dict(task.names, values) == settled
    assert settled.without_calibration().calibration is None
    assert settled.without_calibration().named_thresholds == settled.named_thresholds


def test_plain_task_is_stored_as_before():
    """Nothing that was not asked for is in run.json."""
    assert THREE.settled(np.eye(3, dtype=np.float32), np.arange(3)).as_dict() == {"kind": "classification"}


@pytest.mark.parametrize(
    "values",
    [
        {"goal": "best"},
        {"goal": 7},
        {"threshold": "high"},
        {"threshold": 1.5},
        {"threshold": float("nan")},
        {"threshold": [0.5]},
        {"calibration": "isotonic"},
        {"kind": "multilabel", "thresholds": [0.5]},
        {"kind": "multilabel", "thresholds": [0.5, float("nan")]},
        {"kind": "multilabel", "thresholds": 1},
        {"kind": "regression", "half_widths": [1.0]},
        {"kind": "regression", "half_widths": [1.0, float("inf")]},
        {"kind": "regression", "calibration": {"kind": "temperature", "factor": 1.0}},
        {"kind": "ranking"},
        {"kind": None},
    ],
    ids=str,
)
def test_impossible_values_are_refused(values):
    """As those of a damaged or hostile file."""
    with pytest.raises((TypeError, ValueError, LookupError)):
        task_from_dict(PAIR.names, {"kind": "classification"} | values)


def test_thresholds_are_those_of_calibrated_probabilities():
    """The goal is reached with what predictions show."""
    outputs, y = two_classes()
    task = Decisions("recall=0.9", "isotonic").of(PAIR).settled(outputs, y)
    finished = task.finish(outputs)

    assert task.calibration_error(finished, y) < PAIR.calibration_error(outputs, y) / 3
    assert task.score(finished, y).recall["yes"] >= 0.9


def test_numbers_differ_in_their_own_units():
    """A difference counts in deviations, and no number is another answer."""
    values = np.array([[10.0], [30.0]], np.float32)

    assert NUMBERS.units(values).tolist() == [10.0]
    assert NUMBERS.units(values[:1]).tolist() == [1.0]
    assert not NUMBERS.differs(values, values + 1).any()
    assert PAIR.differs(np.float32([[0.4, 0.6]]), np.float32([[0.6, 0.4]])).all()
