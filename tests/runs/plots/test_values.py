"""Predicted against true numbers; that the plot is drawn is tested with the others of its task."""

from pipeline.runs.plots.values import band_corners


def test_band_is_as_wide_everywhere():
    """Its edges are parallel to the line on which both numbers are equal, and it does not leave the plot."""
    corners = band_corners(1.0, 3.0, 0.5)

    assert corners == [(1, 1), (1, 1.5), (2.5, 3), (3, 3), (3, 2.5), (1.5, 1)]
    assert band_corners(1.0, 3.0, 9)[1:3] == [(1, 3), (1, 3)]
