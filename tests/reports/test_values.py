"""Numbers for each image, on a page."""

import numpy as np
import pytest

from pipeline.reports import values as module
from pipeline.reports.prediction_table import read_prediction_table
from pipeline.reports.values import describe, labels_of, mistakes
from tests.reports.samples import make_task_run
from tests.stage_two.tasks import make_value_task


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_task_run(tmp_path_factory.mktemp("runs"), "numbers", make_value_task(names=("age", "mass")))


@pytest.fixture(scope="module")
def table(run):
    return read_prediction_table(run)


def test_largest_errors_come_first(run, table):
    """In deviations of each column; a number that is not known has no error."""
    rows = mistakes(table, run.task, "test")
    spread = np.nanstd(table.labels, axis=0)
    errors = np.nanmax(np.abs(table.predicted - table.labels) / spread, axis=1)[rows]

    assert len(rows) == 60
    assert (np.diff(errors) <= 0).all()
    assert labels_of(table)[int(table.rows_of("test")[0])][1] is None


def test_columns_have_scores_and_intervals(run, table):
    """As in metrics.json; the intervals are those of the task."""
    shown = describe(run.scores["test"], table, run.task, "test")

    assert [column["mae"] for column in shown["columns"]] == [each.mae for each in run.scores["test"].columns.values()]
    assert shown["half_widths"] == list(run.task.half_widths)
    assert sorted(shown["points"]) == table.rows_of("test").tolist()


def test_many_points_keep_the_largest_errors(run, table, monkeypatch):
    """The others are chosen at random."""
    monkeypatch.setattr(module, "MAX_POINTS", 30)
    points = describe(run.scores["test"], table, run.task, "test")["points"]

    assert points[:24] == mistakes(table, run.task, "test")[:24]
    assert len(set(points)) == 30
