"""One class for each image, on a page."""

import numpy as np
import pytest

from pipeline.reports.classes import describe, lists, mistakes
from pipeline.reports.prediction_table import read_prediction_table
from tests.reports.samples import PREDICTED, TWO_CLASSES, make_task_run
from tests.stage_two.tasks import make_task


def test_mistakes_begin_with_the_most_confident():
    """Only those of one split, the most confident first."""
    assert mistakes(PREDICTED, TWO_CLASSES, "test") == [3, 1]
    assert mistakes(PREDICTED, TWO_CLASSES, "train") == [6]


def test_cells_begin_with_the_most_informative_rows():
    """Right predictions begin with the least confident, wrong ones with the most confident; each row is in one cell."""
    assert sorted(lists(PREDICTED, TWO_CLASSES, "test")) == [[1], [2, 0], [3]]


def test_two_classes_have_curves_and_the_point_in_use(tmp_path):
    """The point has the recall and the precision of the scores; more classes have no curves."""
    run = make_task_run(tmp_path, "two", make_task(num_classes=2, distance=1.3, shape=(8,)))
    scores = run.scores["test"]
    shown = describe(scores, read_prediction_table(run), run.task, "test")["decision"]
    _, recall, precision, fall_out = shown["at"]

    assert recall == pytest.approx(scores.recall["bee"], abs=1e-4)
    assert precision == pytest.approx(scores.precision["bee"], abs=1e-4)
    assert fall_out == pytest.approx(1 - scores.recall["ant"], abs=1e-4)
    assert (np.diff(np.array(shown["points"]), axis=0)[:, [1, 3]] >= 0).all()
    three = make_task_run(tmp_path, "three", make_task())
    assert "decision" not in describe(three.scores["test"], read_prediction_table(three), three.task, "test")
