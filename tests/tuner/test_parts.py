"""The charts of the page, as data; its elements are tested in a browser."""

import pytest

from pipeline.tuner.parts import curve_of_epochs, curve_of_sizes
from pipeline.tuner.session import CurvePoint


def series(chart):
    return {line["name"]: line["data"] for line in chart["series"]}


def test_learning_curve_has_a_point_per_size():
    """In per cent; a point without an accuracy is a gap."""
    chart = curve_of_sizes([CurvePoint(30, None, 0.5), CurvePoint(1500, 0.9, 0.8125)])

    assert chart["xAxis"]["data"] == ["30", "1,500"]
    assert series(chart) == {"validation": [50.0, 81.2], "training": [None, 90.0]}


def test_learning_curve_of_a_dense_head_has_a_point_per_epoch():
    """Validation and training accuracy."""
    chart = curve_of_epochs([{"epoch": 1.0, "accuracy": 0.5, "val_accuracy": 0.25}])

    assert chart["xAxis"]["data"] == ["1"]
    assert series(chart) == {"validation": [25.0], "training": [50.0]}


@pytest.mark.parametrize(("accuracy", "low"), [(0.5, 50), (0.549, 50), (0.99, 95), (0.02, 0)])
def test_axis_starts_below_the_curve(accuracy, low):
    """At a multiple of 5 %."""
    assert curve_of_sizes([CurvePoint(30, 1.0, accuracy)])["yAxis"]["min"] == low


def test_curve_of_r2_is_not_in_per_cent():
    """The axis goes up to 1, and values far below 0 are drawn at -1."""
    chart = curve_of_sizes([CurvePoint(30, None, -7.0), CurvePoint(1500, 0.9, 0.8125)], is_share=False)

    assert series(chart) == {"validation": [-1, 0.812], "training": [None, 0.9]}
    assert (chart["yAxis"]["min"], chart["yAxis"]["max"]) == (-1, 1)
    assert "axisLabel" not in chart["yAxis"]
