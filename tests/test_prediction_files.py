"""Predictions as files."""

import csv
import json

import pandas as pd
import pytest

from pipeline.cells import as_cell
from pipeline.errors import SettingError
from pipeline.prediction_files import PredictionFile
from pipeline.predictions import Prediction
from tests.locked import read_only

GOOD = Prediction("b.png", "=cat", 0.75, (("=cat", 0.75), ("dog", 0.25)), p_value=0.125)
BAD = Prediction("=HYPERLINK(1).png", None, None, (), "no such file")


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".CSV"])
def test_file_has_one_row_per_prediction(ending, tmp_path):
    """Rows are in order, also those of images that cannot be read; an older file is replaced."""
    path = tmp_path / f"out{ending}"
    path.write_text("old")
    PredictionFile(path).write([GOOD, BAD, GOOD])
    if ending == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]

        assert rows == [GOOD.as_dict(), BAD.as_dict(), GOOD.as_dict()]
    elif ending == ".parquet":
        frame = pd.read_parquet(path)

        assert list(frame.columns) == ["path", "label", "probability", "top", "reason", "p_value"]
        assert list(frame["path"]) == [GOOD.path, BAD.path, GOOD.path]
        assert list(frame["p_value"].fillna(-1)) == [0.125, -1, 0.125]
        assert list(frame["top"][0]) == [{"label": "=cat", "probability": 0.75}, {"label": "dog", "probability": 0.25}]
    else:
        header, *rows = csv.reader(path.read_text().splitlines())

        assert header == ["path", "label", "probability", "label_2", "probability_2", "p_value", "reason"]
        assert rows[0] == rows[2] == ["b.png", "'=cat", "0.75", "dog", "0.25", "0.125", ""]
        assert rows[1] == ["'=HYPERLINK(1).png", "", "", "", "", "", "no such file"]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\r=1"])
def test_formulas_are_text(text):
    """A spreadsheet shows what begins with an apostrophe; other texts stay as they are."""
    assert as_cell(text) == f"'{text}"
    assert as_cell(f"a{text}") == f"a{text}"


def test_file_that_cannot_be_written_is_noticed_at_once(tmp_path):
    """The ending, the folder, and whether it can be written are checked before anything is predicted."""
    (tmp_path / "folder.csv").mkdir()
    for name, message in (
        ("out.xlsx", r"ends with \.csv, \.jsonl, \.parquet\. Received: .*out\.xlsx"),
        ("gone/out.csv", r"no folder .*gone for out\.csv"),
        ("folder.csv", "not a file that can be replaced"),
    ):
        with pytest.raises(SettingError, match=message):
            PredictionFile.of(tmp_path / name)
    with read_only(tmp_path), pytest.raises(SettingError, match=r"cannot|Nothing can be written to the folder"):
        PredictionFile.of(tmp_path / "out.csv")

    assert PredictionFile.of(None) is None


def test_refused_number_is_unknown(tmp_path):
    """Instead of the number and its interval, which a table would go on with."""
    refused = Prediction("a.png", "unknown", None, (), values={"age": (21.5, 18.0, 25.0)}, p_value=0.01)
    known = Prediction("b.png", "21.5", None, (), values={"age": (21.5, 18.0, 25.0)}, p_value=0.5)
    PredictionFile(tmp_path / "out.csv").write([refused, known])

    assert (tmp_path / "out.csv").read_text().splitlines() == [
        "path,age,age_low,age_high,p_value,reason",
        "a.png,unknown,,,0.01,",
        "b.png,21.5,18,25,0.5,",
    ]


def test_refused_class_is_the_second(tmp_path):
    """A refused image has no probability, which would be that of another label; its most likely class is not lost."""
    top = (("cat", 0.75), ("dog", 0.25))
    predictions = [
        Prediction("a.png", "unknown", 0.75, top, p_value=0.01),
        Prediction("b.png", "cat", 0.75, top, p_value=0.5),
    ]
    PredictionFile(tmp_path / "out.csv").write(predictions)

    assert (tmp_path / "out.csv").read_text().splitlines() == [
        "path,label,probability,label_2,probability_2,label_3,probability_3,p_value,reason",
        "a.png,unknown,,cat,0.75,dog,0.25,0.01,",
        "b.png,cat,0.75,dog,0.25,,,0.5,",
    ]
