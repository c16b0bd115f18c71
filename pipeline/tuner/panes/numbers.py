"""Predicted against true numbers: the image of a point is shown beside it, and a click puts it first among the images."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from nicegui import html, ui
from nicegui.events import EChartPointClickEventArguments
from numpy.typing import NDArray

from pipeline.tasks.regression import SEPARATOR
from pipeline.tuner.panes.pane import Pane
from pipeline.tuner.refits import Numbers
from pipeline.tuner.session import Results, SplitPredictions

MAX_POINTS = 3000

# The image of a point; digests are hexadecimal, and the rest are numbers.
_TIP = (
    '(point) => `<img src="/image/${point.data[2]}" alt="" style="width: 8rem; height: 8rem; object-fit: contain; display: block">'
    "true ${point.data[4]}<br>predicted ${point.data[5]}`"
)


class NumberPane(Pane[int]):
    """Of numbers for each image. A part is the index of an image."""

    title = "Predicted and true numbers"
    worst = "Largest errors"

    _column = 0

    def summary(self, results: Results) -> str:
        return results.validation.scores.as_sentence()

    def draw(self, predictions: SplitPredictions, choose: Callable[[int | None], Any]) -> None:
        names = predictions.task.names
        self._column = min(self._column, len(names) - 1)
        html.p(
            "Point at a dot to see its image. Dashed: where predictions equal the numbers. Numbers are not changed on this page."
        ).classes("note")
        if len(names) > 1:
            options = dict(enumerate(names))
            ui.select(
                options,
                label="Column",
                value=self._column,
                on_change=lambda event: self._take(event.value, predictions),
            )

        def press(event: EChartPointClickEventArguments) -> None:
            data: Any = event.data
            if isinstance(data, list) and len(data) > 3:  # not the dashed line
                choose(int(data[3]))

        self._chart = ui.echart(self._options(predictions), on_point_click=press, renderer="svg").classes("scatter")

    def _take(self, column: int, predictions: SplitPredictions) -> None:
        self._column = column
        self._chart.options.clear()
        self._chart.options.update(self._options(predictions))
        self._chart.update()

    def _options(self, predictions: SplitPredictions) -> dict[str, Any]:
        digests = [self.session.manifest.digests[int(row)].hex() for row in predictions.rows]
        return scatter(predictions, self._column, digests)

    def indices(self, predictions: SplitPredictions, part: int) -> Numbers:
        """The image, followed by the largest errors."""
        others = predictions.mistakes()
        return np.concatenate([[part], others[others != part]]).astype(np.int64)

    def name_of(self, part: int) -> str:
        del part
        return "The chosen image, and the largest errors"

    def label_of(self, row: int) -> str:
        names = self.session.question.task.names
        numbers = str(self.session.manifest.labels[row]).split(SEPARATOR)
        several = len(numbers) > 1
        return "true " + ", ".join(
            f"{name if several else ''} {number or '?'}".strip() for name, number in zip(names, numbers, strict=False)
        )

    def caption(self, predictions: SplitPredictions, index: int, row: int, part: int | None) -> Sequence[str]:
        task = predictions.task
        pairs = zip(task.names, predictions.y[index], predictions.outputs[index], strict=True)
        several = len(task.names) > 1
        texts = [
            (f"{name} " if several else "", "?" if np.isnan(true) else f"{true:.5g}", f"{guess:.5g}")
            for name, true, guess in pairs
        ]
        return (
            f"true {', '.join(f'{name}{true}' for name, true, _ in texts)}",
            f"predicted {', '.join(f'{name}{guess}' for name, _, guess in texts)}",
        )

    def draw_changes(self, predictions: SplitPredictions, index: int, row: int, part: int | None) -> None:
        """Nothing: numbers are changed in their table."""


_AXIS = {
    "type": "value",
    "nameLocation": "middle",
    "axisLine": {"onZero": False},
    "axisLabel": {"showMinLabel": False, "showMaxLabel": False},
    "splitLine": {"lineStyle": {"color": "#8886"}},
}


def scatter(predictions: SplitPredictions, column: int, digests: Sequence[str]) -> dict[str, Any]:
    """ECharts' options for predicted against true numbers of a column.

    Args:
        predictions: N images.
        column: Number of the column.
        digests: SHA-256 of each image, as hexadecimal digits.
    """
    y, values = predictions.y[:, column].astype(float), predictions.outputs[:, column].astype(float)
    known = np.flatnonzero(np.isfinite(y))
    if len(known) > MAX_POINTS:
        known = np.sort(np.random.default_rng(0).choice(known, MAX_POINTS, replace=False))
    name = predictions.task.names[column]
    low, high = _limits(np.concatenate([y[known], values[known]]))
    axis = {**_AXIS, "min": low, "max": high}
    points = [
        [*(float(f"{each:.6g}") for each in (y[k], values[k])), digests[k], int(k), f"{y[k]:.5g}", f"{values[k]:.5g}"]
        for k in known.tolist()
    ]
    return {
        "animation": False,
        "aria": {"enabled": True},
        "textStyle": {"fontFamily": "inherit"},
        "grid": {"left": 30, "right": 24, "top": 16, "bottom": 36, "containLabel": True},
        "tooltip": {"trigger": "item", "confine": True, ":formatter": _TIP},
        "xAxis": {**axis, "name": f"true {name}", "nameGap": 28},
        "yAxis": {**axis, "name": f"predicted {name}", "nameGap": 44},
        "series": [
            {"type": "scatter", "data": points, "color": "#2b8cc4", "symbolSize": 8, "itemStyle": {"opacity": 0.65}},
            {
                "type": "line",
                "data": [[low, low], [high, high]],
                "color": "#d55e00",
                "symbol": "none",
                "silent": True,
                "lineStyle": {"type": "dashed", "width": 2},
                "tooltip": {"show": False},
            },
        ],
    }


def _limits(numbers: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of an axis with these numbers on it, (n,); both axes have the same."""
    both = numbers if len(numbers) else np.array([0.0, 1.0])
    room = 0.04 * float(np.ptp(both)) or 1.0
    return float(f"{both.min() - room:.3g}"), float(f"{both.max() + room:.3g}")
