"""The charts of the page, as data; its elements are tested in a browser."""

import pytest

from pipeline.tuner.parts import curve_of_epochs, curve_of_sizes, name_of
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


def test_cell_has_a_name():
    """The diagonal and the rest."""
    assert name_of((0, 0), ("ant", "bee")) == "ant recognised"
    assert name_of((0, 1), ("ant", "bee")) == "ant predicted as bee"
