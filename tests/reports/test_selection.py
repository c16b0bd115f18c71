"""Which runs and comparisons are on a page."""

import pytest

from pipeline.errors import DamagedStoreError, RunNotFoundError
from pipeline.files import write_json
from pipeline.reports.selection import select
from tests.reports.samples import make_run

ROW = {"regime": "linear", "validation": 0.9, "test": None, "training_seconds": 1.0, "total_seconds": 2.5}


@pytest.fixture
def runs(tmp_path):
    """Two runs, a comparison of one of them, and a comparison one of whose runs is gone."""
    for name in ("ridge", "knn"):
        make_run(tmp_path, name)
    for name, compared in (("comparison-whole", ("ridge",)), ("comparison-broken", ("ridge", "gone"))):
        (tmp_path / name).mkdir()
        content = {"rows": [ROW | {"run": run} for run in compared], "break_even": {}, "command": "c"}
        write_json(tmp_path / name / "comparison.json", content)
    return tmp_path


def names_of(selection):
    return [run.name for run in selection.runs]


def test_all_runs_come_with_the_complete_comparisons(runs):
    """A comparison of which a run is gone is left out."""
    selection = select([], runs)

    assert names_of(selection) == ["knn", "ridge"]
    assert [[row["run"] for row in comparison["rows"]] for comparison in selection.comparisons] == [["ridge"]]


def test_comparison_brings_its_runs(runs):
    """By its name, or by its folder; each run is there once."""
    for name in ("comparison-whole", runs / "comparison-whole"):
        selection = select(["ridge", name, "knn"], runs)

        assert names_of(selection) == ["ridge", "knn"]
        assert [comparison["command"] for comparison in selection.comparisons] == ["c"]


def test_missing_run_is_named(runs):
    """By itself, or as a part of a comparison."""
    with pytest.raises(RunNotFoundError, match="No run 'gone'"):
        select(["comparison-broken"], runs)
    with pytest.raises(RunNotFoundError, match="No run 'svm'"):
        select(["svm"], runs)


def test_damaged_comparison_is_named(runs, caplog):
    """A file whose rows have no accuracy is an error if it is wanted, and a warning if everything is."""
    write_json(runs / "comparison-whole" / "comparison.json", {"rows": [{"run": "ridge"}]})

    with pytest.raises(DamagedStoreError, match=r"comparison-whole/comparison\.json is not a comparison"):
        select(["comparison-whole"], runs)
    assert select([], runs).runs
    assert "The comparison comparison-whole is left out" in caplog.text


def test_no_runs_are_an_empty_selection(tmp_path):
    """The caller decides whether that is an error."""
    assert select([], tmp_path / "runs").runs == ()
