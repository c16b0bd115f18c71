"""Axes, lines and points."""

import numpy as np
import pytest
from PIL import Image

from pipeline.runs.plots.canvas import BLUE, SHARE, Axis, Panel, Sheet


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-7, 13, [-5, 0, 5, 10]),
        (3.0, 3.01, [3.0, 3.002, 3.004, 3.006, 3.008, 3.01]),
    ],
)
def test_ticks_are_round_numbers(low, high, ticks):
    """About five of them, between the ends."""
    assert Axis(low, high, "x").ticks == pytest.approx(ticks)


def test_axis_has_room_for_all_values():
    """Also for a single one; what is not known does not count."""
    axis = Axis.around(np.array([2.0, np.nan, 4.0]), "x")
    single = Axis.around(np.array([0.0, 0.0]), "x")

    assert axis.low < 2 < 4 < axis.high
    assert single.low < 0 < single.high


def test_points_are_where_their_values_are(tmp_path):
    """A point in a corner colours that corner of the panel; one outside is moved to the border."""
    for corner, (x, y) in {"low": (0.0, 0.0), "high": (1.0, 5.0)}.items():
        sheet = Sheet(400, 400, "title")
        panel = Panel(sheet, (0, sheet.top, 400, sheet.top + 400), Axis(*SHARE, "x"), Axis(*SHARE, "y"))
        panel.points(np.array([x]), np.array([y]), BLUE)
        sheet.save(tmp_path / f"{corner}.png")
        with Image.open(tmp_path / f"{corner}.png") as image:
            red, _, blue = (np.asarray(band).astype(int) for band in image.split())
        rows, columns = np.nonzero(blue - red > 60)
        left, top, right, bottom = panel.box
        assert np.abs(columns - (left if corner == "low" else right)).max() <= 5
        assert np.abs(rows - (bottom if corner == "low" else top)).max() <= 5
