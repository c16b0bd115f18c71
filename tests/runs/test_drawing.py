"""Plots of what is saved already."""

import sys

import pytest

from pipeline.runs import plots
from pipeline.runs.drawing import draw_comparison, draw_run
from tests.runs.test_logs import HISTORY, make_run


def fail(*_):
    raise RuntimeError("no ink")


def test_run_is_drawn_into_its_folder(tmp_path):
    """A run with a history has curves and a confusion matrix."""
    history = [row | {"accuracy": 0.5, "val_accuracy": 0.5} for row in HISTORY]
    run = make_run(tmp_path, history=history)

    assert draw_run(run)
    assert {path.name for path in run.path.glob("*.png")} == {"confusion.png", "curves.png"}
    assert (run.path / "confusion.png").read_bytes() != b"content"


@pytest.mark.parametrize("broken", ["plot", "import"])
def test_run_that_cannot_be_drawn_is_kept_with_a_warning(broken, tmp_path, monkeypatch, caplog):
    """Whether a plot fails or matplotlib cannot be loaded, the warning names the run and the error."""
    if broken == "plot":
        monkeypatch.setattr(plots, "draw_confusion", fail)
    else:
        monkeypatch.delattr("pipeline.runs.plots")
        monkeypatch.setitem(sys.modules, "pipeline.runs.plots", None)
    run = make_run(tmp_path)
    error = {"plot": "RuntimeError: no ink", "import": "ModuleNotFoundError: "}[broken]

    assert not draw_run(run)
    [message] = caplog.messages
    assert message.startswith(f"Run mine is saved, but its plots could not be drawn: {error}")
    assert run.info.head == "ridge"


def test_comparison_that_cannot_be_drawn_shows_no_older_one(tmp_path, monkeypatch, caplog):
    """A plot of other numbers than those in the table is removed."""
    (tmp_path / "comparison.png").write_bytes(b"an older one")
    monkeypatch.setattr(plots, "draw_comparison", fail)

    assert not draw_comparison(tmp_path / "comparison.png", [], "title")
    assert caplog.messages == ["The comparison is saved, but comparison.png could not be drawn: RuntimeError: no ink"]
    assert list(tmp_path.iterdir()) == []
