"""Advice from a measured sample."""

import pytest

from pipeline.cli.render import describe_advice
from pipeline.comparison import costs
from pipeline.comparison.advise import advise
from pipeline.settings import Settings
from tests.calls import scan


@pytest.fixture
def settings(tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


def test_advice_measures_a_sample(photos, settings, monkeypatch):
    """Evidence is measured on training images only; costs are those of one image times the number of images."""
    monkeypatch.setattr(costs, "measure_costs", lambda *_: costs.Costs(trunk=3.0, step=2.0, infer=1.0))
    advice = advise(scan(photos, settings), settings, num_sample=24)

    assert advice.num_sample == 24
    assert 0 <= advice.evidence.late_accuracy <= 1
    assert advice.evidence.images_per_class == 12
    cached, live = advice.costs[:2]
    # 24 training images whose rows are stored by now, 12 validation and 12 test images; decoding takes less than a trunk of 3 s.
    assert cached.stage_one_seconds == 24 * 3
    assert cached.seconds_per_epoch == 24 * 2 + 12 * 1
    assert cached.megabytes > 0
    assert live.seconds_per_epoch == 24 * 2 + 12 * 1 + 36 * 3
    assert live.stage_one_seconds == live.megabytes == 0
    assert [(entry.rows, entry.megabytes > 0) for entry in advice.left][:2] == [(24, True), (24, True)]
    assert advise(scan(photos, settings), settings, num_sample=24).left == []
    values = advice.as_dict()
    assert f"24 rows, {advice.left[0].megabytes:.1f} MB, in {settings.paths.cache}" in describe_advice(values)
    assert values["evidence"]["images_a_class"] == 12
    assert values["evidence"]["sample"] == 24
    assert values["classes"]["red"] == {"train": 12, "validation": 6, "test": 6}
    assert "Classes (train, validation, test): blue 12, 6, 6; red 12, 6, 6" in describe_advice(values)
    assert describe_advice(values).startswith(f"{advice.advice.summary} Run: `{advice.command}`.")
    assert f"<code>{advice.command}</code>" in advice._repr_html_()
    assert repr(advice) == f"Advice({advice.advice.regime!r}, command={advice.command!r})"
