"""predictions.csv as columns."""

import numpy as np
import pytest

from pipeline.errors import DamagedStoreError
from pipeline.reports import prediction_table as module
from pipeline.reports.prediction_table import read_prediction_table
from tests.reports.samples import make_run

ROWS = [
    ("x.png", "train", "a", b"\x01" * 32, np.array([0.75, 0.25])),
    ("y.png", "test", "b", b"\x02" * 32, np.array([0.6, 0.4])),
    ("z.png", "validation", "b", b"\x03" * 32, np.array([0.1, 0.9])),
]


def test_columns_come_back_test_split_first(tmp_path):
    """Images, predictions and confidence, by split in the order in which they are shown."""
    table = read_prediction_table(make_run(tmp_path, "mine", rows=ROWS))

    assert table.names == ("y.png", "z.png", "x.png")
    assert table.digests == (b"\x02" * 32, b"\x03" * 32, b"\x01" * 32)
    assert table.is_right.tolist() == [False, True, True]
    assert table.confidence.tolist() == [0.6, 0.9, 0.75]
    assert table.rows_of("train").tolist() == [2]
    assert table.total == 3


def test_run_of_many_classes_has_its_confidence(tmp_path, monkeypatch):
    """It is in a column of its own."""
    monkeypatch.setattr("pipeline.tasks.stored.MAX_COLUMNS", 1)
    monkeypatch.setattr("pipeline.tasks.stored.NUM_LISTED", 2)

    assert read_prediction_table(make_run(tmp_path, "mine", rows=ROWS)).confidence.tolist() == [0.6, 0.9, 0.75]


def test_large_runs_keep_their_test_split(tmp_path, monkeypatch):
    """If not all images can be listed, training images are left out, and the total is kept."""
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    table = read_prediction_table(make_run(tmp_path, "mine", rows=ROWS))

    assert table.names == ("y.png", "z.png")
    assert table.total == 3


def test_run_of_an_earlier_version_knows_no_digests(tmp_path):
    """Without the column the digests are empty."""
    run = make_run(tmp_path, "mine", rows=ROWS)
    path = run.path / "predictions.csv"
    lines = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("\n".join(",".join(line[:4] + line[5:]) for line in lines))

    assert read_prediction_table(run).digests == (b"", b"", b"")


@pytest.mark.parametrize("change", [("y.png,test", "y.png,exam"), (",0.6,", ",much,"), ("p:a", "p:c"), (",b,", ",?,")])
def test_damaged_predictions_are_named(change, tmp_path):
    """An unknown split or class, or a text instead of a number, raises with the file's name."""
    run = make_run(tmp_path, "mine", rows=ROWS)
    path = run.path / "predictions.csv"
    path.write_text(path.read_text().replace(*change))

    with pytest.raises(DamagedStoreError, match=r"mine/predictions\.csv cannot be read"):
        read_prediction_table(run)
