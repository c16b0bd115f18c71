"""What holds for tasks of every kind."""

import json

import numpy as np
import pytest

from pipeline.errors import HeadSpecError
from pipeline.tasks.kinds import scores_from_dict, task_from_dict
from tests.tasks.samples import TASKS, make_outputs, make_targets, name_of

each_task = pytest.mark.parametrize("task", TASKS, ids=name_of)


@each_task
def test_texts_of_targets_are_read_back(task):
    """The text of a target is the label that it is made of."""
    y = make_targets(task, 50)
    y = y[~np.isnan(y).all(axis=1)] if y.ndim > 1 else y

    np.testing.assert_array_equal(task.encode([task.text(target) for target in y]), y)


@each_task
def test_scores_are_read_back(task):
    """From JSON, with all their values."""
    scores = task.score(make_outputs(task, 80), make_targets(task, 80))
    values = json.loads(json.dumps(scores.as_stored()))

    assert scores_from_dict(task.kind, values) == scores
    assert scores.brief().main == scores.main == scores.brief().from_dict(scores.brief().as_dict()).main
    assert scores.ci95[0] <= scores.main <= scores.ci95[1]
    assert scores._repr_html_().count("<table") == 2


@each_task
def test_task_is_read_back_with_what_validation_chose(task):
    """From JSON."""
    settled = task.settled(make_outputs(task, 60), make_targets(task, 60))

    assert task_from_dict(task.names, json.loads(json.dumps(settled.as_dict()))) == settled


@each_task
def test_right_outputs_are_judged_better_than_others(task):
    """The loss is smaller, the score is larger, and least squares has a column for each output."""
    y = make_targets(task, 60)
    columns = task.columns(y)
    right = np.eye(len(task.names))[y] * 0.9 + 0.05 if y.ndim == 1 else np.nan_to_num(y, nan=0.5)
    good, bad = (task.judge(outputs.astype(np.float32), y) for outputs in (right, make_outputs(task, 60)))

    assert good.loss < bad.loss
    assert good.accuracy > bad.accuracy
    assert len(columns) == 60
    assert np.array_equal(np.isnan(columns), np.isnan(y)) if y.ndim > 1 else np.isfinite(columns).all()


@each_task
def test_problems_cover_all_known_answers(task):
    """Each answer that is known is in one problem, in its units."""
    y = make_targets(task, 60)
    problems = task.problems(y)

    assert sum(len(problem.rows) for problem in problems) == np.isfinite(y).sum()
    for column, problem in zip(y.T if y.ndim > 1 else [y], problems, strict=True):
        np.testing.assert_allclose(problem.y * problem.spread + problem.centre, column[problem.rows], rtol=1e-5)


@each_task
def test_answer_is_what_the_outputs_decide(task):
    """Its label is the text of the decision."""
    outputs = make_outputs(task, 5)
    for output in outputs:
        answer = task.answer(output, 2)

        decided = task.encode([answer.label])[0]
        np.testing.assert_allclose(decided, task.decide(output[None])[0], rtol=1e-4)
        assert len(answer.top) == (0 if task.link == "identity" else 2)


@each_task
def test_strata_number_all_images(task):
    """One whole number for each image."""
    strata = task.strata(make_targets(task, 60))

    assert strata.shape == (60,)
    assert strata.dtype == np.int64
    assert len(np.unique(strata)) > 1


@each_task
def test_output_of_a_dense_head_follows_the_task(task):
    """Units and activation; an activation of another task is refused."""
    units, activation = task.dense_output(None)
    expected = {"softmax": "softmax", "sigmoid": "sigmoid", "identity": "linear"}[task.link]

    assert (units, activation) == (
        (1, "sigmoid") if name_of(task) == "classification-2" else (len(task.names), expected)
    )
    if task.link != "softmax":
        with pytest.raises(HeadSpecError, match=r"Received: softmax"):
            task.dense_output("softmax")


def test_run_of_an_older_version_is_a_classification():
    """It names no task."""
    assert task_from_dict(("a", "b"), None) == task_from_dict(("a", "b"), {"kind": "classification"})


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "other"},
        {"kind": "classification", "threshold": 2},
        {"kind": "multilabel", "thresholds": [0.5]},
        {"kind": "multilabel", "thresholds": [0.5, -1]},
        {"kind": "regression", "half_widths": [1, float("nan")]},
        {"kind": "regression", "half_widths": ["x", "y"]},
    ],
)
def test_impossible_tasks_are_refused(values):
    """A forged run.json."""
    with pytest.raises((TypeError, ValueError, LookupError)):
        task_from_dict(("a", "b"), values)
