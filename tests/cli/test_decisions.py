"""What is printed of thresholds and calibrations."""

from pipeline.cli.decisions import decision_lines
from tests.cli.commands import BASE, call


def test_nothing_is_said_where_nothing_was_asked_for():
    """Thresholds that labels have without a goal are in run.json."""
    assert decision_lines({"threshold": None, "calibration": None}) == []
    assert decision_lines({"threshold": {"goal": "", "from": {"cat": 0.5}}, "calibration": None}) == []


def test_thresholds_and_errors_are_said():
    """A few labels with their thresholds; the error on test comes first, and that of validation says what it is."""
    named = {name: number / 10 for number, name in enumerate("abcdefg", start=1)}
    error = {"validation": {"before": 0.25, "after": 0.125}, "test": {"before": 0.5, "after": 0.375}}
    result = {"threshold": {"goal": "f1", "from": named}, "calibration": {"method": "isotonic", "error": error}}

    assert decision_lines(result) == [
        "Threshold (f1 on validation): a from 0.1, b from 0.2, c from 0.3, d from 0.4, e from 0.5 and 2 more in run.json.",
        "Recalibrated (isotonic). Expected calibration error: test 0.5000 before, 0.3750 after; validation 0.2500 before, 0.1250 after (fitted there).",
    ]


def test_head_takes_and_prints_decisions(own, photos):
    """The threshold and the errors, as text and in JSON; a goal or a method that does not exist is an error of the option."""
    options = [
        "head",
        photos,
        *BASE,
        *own,
        "--head",
        "logreg:C=0.01",
        "--no-plots",
        "--threshold",
        "recall=0.9",
    ]
    result = call(*options, "--calibrate", "isotonic", "--json").json
    text = call(*options, "--calibrate", "temperature")

    assert result["threshold"]["goal"] == "recall=0.9"
    assert list(result["threshold"]["from"]) == ["red"]
    assert result["calibration"]["error"].keys() == {"validation", "test"}
    assert "Threshold (recall=0.9 on validation): red from 0." in text.out
    assert "Recalibrated (temperature). Expected calibration error: test" in text.out
    assert "Received: best" in call(*options[:-1], "best").err
    assert call(*options, "--calibrate", "platt").code == 2
