"""ROC and precision-recall curves of one class or label, with the point of its threshold."""

from typing import Any

import numpy as np
from nicegui import html, ui
from numpy.typing import NDArray

from pipeline.tasks.curves import rank_curve

MAX_POINTS = 200

_AXES = {"ROC": ("false positive rate", "recall"), "Precision and recall": ("recall", "precision")}


def draw_curves(p: NDArray[np.float32], y: NDArray[np.bool_], cut: float, name: str) -> None:
    """Draw both curves in the current element; nothing where all answers are equal.

    Args:
        p: Probabilities of the images whose answer is known, (n,).
        y: Whether they have it, (n,).
        cut: The threshold.
        name: The class or label.
    """
    if not 0 < int(y.sum()) < len(y):
        return
    curves = curve_points(p, y, cut)
    html.p(f"Curves of {name!r}; the dot is its threshold, {cut:.3g}.").classes("note")
    with html.div().classes("pair"):
        for title, (points, dot) in curves.items():
            ui.echart(chart(title, points, dot), renderer="svg").classes("pair-curve")


def curve_points(
    p: NDArray[np.float32], y: NDArray[np.bool_], cut: float
) -> dict[str, tuple[list[list[float]], list[float]]]:
    """Points of both curves by title, and the point of the threshold; the arguments are those of `draw_curves`."""
    curve = rank_curve(p, y)
    place = max(curve.at(cut) - 1, 0)
    few = curve.thinned(MAX_POINTS)
    start = curve.at(cut) == 0  # a threshold above all scores finds nothing
    roc = [[0.0, 0.0], *_pairs(few.fall_out, few.recall)]
    dot = [0.0, 0.0] if start else _pairs(curve.fall_out, curve.recall)[place]
    balance = _pairs(few.recall, few.precision)
    return {"ROC": (roc, dot), "Precision and recall": (balance, _pairs(curve.recall, curve.precision)[place])}


def _pairs(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[list[float]]:
    return [[float(f"{a:.4g}"), float(f"{b:.4g}")] for a, b in zip(x, y, strict=True)]


def chart(title: str, points: list[list[float]], dot: list[float]) -> dict[str, Any]:
    """ECharts' options for one curve."""
    axis = {
        "type": "value",
        "min": 0,
        "max": 1,
        "nameLocation": "middle",
        "splitLine": {"lineStyle": {"color": "#8886"}},
    }
    x, y = _AXES[title]
    return {
        "animation": False,
        "aria": {"enabled": True, "label": {"description": f"{title}: {x} {dot[0]}, {y} {dot[1]} at the threshold"}},
        "textStyle": {"fontFamily": "inherit"},
        "grid": {"left": 30, "right": 16, "top": 16, "bottom": 36, "containLabel": True},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {**axis, "name": x, "nameGap": 28},
        "yAxis": {**axis, "name": y, "nameGap": 36},
        "series": [
            {
                "type": "line",
                "name": y,
                "data": points,
                "showSymbol": False,
                "color": "#2b8cc4",
                "lineStyle": {"width": 2},
            },
            {"type": "scatter", "name": "threshold", "data": [dot], "symbolSize": 12, "color": "#d55e00"},
        ],
    }
