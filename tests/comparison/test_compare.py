"""Regimes side by side on small images with a small random base."""

import json
import re

import pytest

from pipeline.cli.render import describe_comparison
from pipeline.comparison.compare import ComparisonSettings, compare_regimes
from pipeline.errors import SettingError
from pipeline.images.augment import AUGMENTATIONS
from pipeline.runs.folder import open_run
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from tests.calls import scan


@pytest.fixture
def settings(tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


def test_regimes_are_compared_in_one_table_and_one_plot(photos, settings):
    """Each regime is a run, with its seconds, and fine-tuning starts from the head of the other regime."""
    chosen = ComparisonSettings(
        regimes=("finetune", "cached-finetune", "endtoend", "dense", "linear"),
        head="dense:8,relu",
        augmentation=AUGMENTATIONS["r0"],
        training=Training(epochs=2, batch_size=8),
        first="fire9_squeeze1x1",
    )
    comparison = compare_regimes(scan(photos, settings), chosen, settings)
    rows = {row.regime: row for row in comparison.rows}
    runs = {regime: open_run(row.run, settings.paths.runs) for regime, row in rows.items()}

    assert list(rows) == ["linear", "dense", "cached-finetune", "endtoend", "finetune"]
    assert rows["endtoend"].extraction_seconds == 0
    assert rows["dense"].extraction_seconds > 0
    assert rows["dense"].total_seconds > rows["dense"].training_seconds
    assert set(comparison.break_even) == {"linear", "dense", "cached-finetune"}
    assert comparison.plot.read_bytes().startswith(b"\x89PNG")
    for regime, head in (("cached-finetune", "dense"), ("finetune", "endtoend")):
        assert [phase["epochs"] for phase in runs[regime].info.phases] == [2, 2]
        assert runs[regime].history()[:2] == runs[head].history()
    assert rows["cached-finetune"].extraction_seconds == rows["dense"].extraction_seconds
    [table] = settings.paths.runs.glob("comparison-*/comparison.json")
    assert json.loads(table.read_text()) == {**comparison.as_dict(), "command": None}
    assert re.fullmatch(r"Comparison\(linear [\d.]+, dense .* on validation\)", repr(comparison))
    shown = comparison._repr_html_()
    assert shown.count("<tr>") == 6
    assert "cached-finetune breaks even" in shown or "cached-finetune never breaks even" in shown
    assert "Augmentation of the live regimes: r0." in shown
    assert 'src="data:image/png;base64,' in shown


def test_comparison_is_kept_where_its_plot_fails(photos, settings, monkeypatch, caplog):
    """The table is written and printed without a plot, and the warning says why."""
    monkeypatch.setattr("pipeline.runs.plots.plots.draw_regimes", lambda *_: 1 / 0)
    comparison = compare_regimes(scan(photos, settings), ComparisonSettings(regimes=("linear",)), settings)
    [table] = settings.paths.runs.glob("comparison-*/comparison.json")

    assert comparison.plot is None
    assert json.loads(table.read_text())["rows"] == comparison.as_dict()["rows"]
    assert "Plot:" not in describe_comparison(comparison.as_dict())
    assert "<img" not in comparison._repr_html_()
    assert caplog.messages[-1:] == [
        "The comparison is saved, but comparison.png could not be drawn: ZeroDivisionError: division by zero"
    ]


def test_a_comparison_that_cannot_be_made_is_refused(photos, settings):
    """Unknown regimes, fine-tuning without a first layer, and a cut where fine-tuning sets it."""
    with pytest.raises(SettingError, match="Leave out --cut"):
        compare_regimes(
            scan(photos, settings),
            ComparisonSettings(regimes=("finetune",), first="fire9_concat"),
            settings.with_changes(cut="fire8_concat"),
        )
    with pytest.raises(SettingError, match=r"Regimes are linear.*Received: quick"):
        ComparisonSettings(regimes=("quick",))
    with pytest.raises(SettingError, match="Received: none"):
        ComparisonSettings(regimes=())
    with pytest.raises(SettingError, match="--from LAYER"):
        ComparisonSettings(regimes=("finetune",))
