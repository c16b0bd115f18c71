"""Plots of runs and comparisons."""

import sys

import matplotlib as mpl
import numpy as np
import pytest

from pipeline.runs.plots import by_task, plots
from pipeline.runs.plots.plots import draw_comparison, draw_curves, draw_regimes, draw_run
from tests.runs import samples
from tests.runs.images import ODD_NAMES, is_drawn, pixels

WORDS = ("cross-entropy loss", "accuracy")
PREDICTED = {"test": (np.float32([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]]), np.array([0, 1, 1, 0]))}
HISTORY = [
    {"epoch": epoch, "loss": 1 / epoch, "val_loss": 1.2 / epoch, "accuracy": 1 - 0.5 / epoch, "val_accuracy": 0.6}
    for epoch in range(1, 8)
]


def test_curves_are_drawn(tmp_path):
    """Loss and accuracy are side by side in one wide plot."""
    draw_curves(tmp_path / "curves.png", HISTORY, "photos: dense:256 on vgg16", WORDS)
    grey = pixels(tmp_path / "curves.png")
    height, width = grey.shape

    assert is_drawn(grey)
    assert 900 < width < 1600
    assert 350 < height < 800


def test_curves_show_the_history(tmp_path):
    """Another history gives another plot."""
    draw_curves(tmp_path / "a.png", HISTORY, "title", WORDS)
    draw_curves(tmp_path / "b.png", [row | {"val_loss": 0.9} for row in HISTORY], "title", WORDS)

    assert not np.array_equal(pixels(tmp_path / "a.png"), pixels(tmp_path / "b.png"))


def test_curve_of_one_epoch_is_drawn(tmp_path):
    """One epoch is drawn as a point."""
    draw_curves(tmp_path / "curves.png", HISTORY[:1], "one", WORDS)

    assert is_drawn(pixels(tmp_path / "curves.png"))


@pytest.mark.parametrize("title", [*ODD_NAMES, "photos: dense:256,relu,dropout:0.5,dense:256,relu,dropout:0.5 " * 3])
def test_any_title_can_be_drawn(title, tmp_path):
    """A title is text, however odd the data set's name, and a long one is broken into lines."""
    draw_curves(tmp_path / "curves.png", HISTORY, title, WORDS)

    assert is_drawn(pixels(tmp_path / "curves.png"))


def test_comparison_is_drawn(tmp_path):
    """Each regime is a point with its interval, also at a time of 0 on the logarithmic axis."""
    rows = [
        {
            "regime": regime,
            "validation": 0.8,
            "ci95": [0.7, 0.9],
            "training_seconds": seconds,
            "extraction_seconds": extraction,
            "total_seconds": seconds + extraction,
        }
        for regime, seconds, extraction in (("cached", 0.0, 30.0), ("warm", 0.0, 0.0), ("live", 400.0, 0.0))
    ]
    draw_regimes(tmp_path / "comparison.png", rows, "photos")
    grey = pixels(tmp_path / "comparison.png")

    assert is_drawn(grey)
    assert 800 < grey.shape[1] < 1600


def test_matplotlibrc_does_not_change_plots(tmp_path):
    """A matplotlibrc does not change these plots (`text.usetex` needs LaTeX), and still holds for the user's own plots."""
    arguments = HISTORY, "title", WORDS
    draw_curves(tmp_path / "plain.png", *arguments)
    with mpl.rc_context({"text.usetex": True, "font.size": 3, "savefig.format": "svg"}):
        draw_curves(tmp_path / "other.png", *arguments)
        kept = mpl.rcParams["text.usetex"]

    assert (tmp_path / "other.png").read_bytes() == (tmp_path / "plain.png").read_bytes()
    assert kept is True


def test_plot_that_fails_leaves_nothing_behind(tmp_path):
    """A plot that fails leaves no file."""
    with pytest.raises(KeyError):
        draw_curves(tmp_path / "curves.png", [{"epoch": 1}], "title", WORDS)

    assert list(tmp_path.iterdir()) == []


def fail(*_):
    raise RuntimeError("no ink")


def test_run_is_drawn_into_its_folder(tmp_path):
    """A run with epochs has learning curves beside the plots of its task."""
    run = samples.make_run(tmp_path, history=samples.HISTORY)

    assert draw_run(run, PREDICTED)
    assert {path.name for path in run.path.glob("*.png")} == {"confusion.png", "curves.png"}
    assert is_drawn(pixels(run.path / "confusion.png"))


@pytest.mark.parametrize("broken", ["plot", "import"])
def test_run_that_cannot_be_drawn_is_kept_with_a_warning(broken, tmp_path, monkeypatch, caplog):
    """If a plot fails, or matplotlib cannot be imported, the warning names the run and the error."""
    if broken == "plot":
        monkeypatch.setattr(by_task, "draw_confusion", fail)
    else:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
    run = samples.make_run(tmp_path, history=samples.HISTORY)
    error = {"plot": "RuntimeError: no ink", "import": "ModuleNotFoundError: "}[broken]

    assert not draw_run(run, PREDICTED)
    [message] = caplog.messages
    assert message.startswith(f"Run mine is saved, but its plots could not be drawn: {error}")
    assert run.info.head == "ridge"


def test_comparison_that_cannot_be_drawn_leaves_no_older_plot(tmp_path, monkeypatch, caplog):
    """A plot of other numbers than those in the table is removed."""
    (tmp_path / "comparison.png").write_bytes(b"an older one")
    monkeypatch.setattr(plots, "draw_regimes", fail)

    assert not draw_comparison(tmp_path / "comparison.png", [], "title")
    assert caplog.messages == ["The comparison is saved, but comparison.png could not be drawn: RuntimeError: no ink"]
    assert list(tmp_path.iterdir()) == []
