"""The parts of the page that show results of any kind: the learning curve, and images.

Texts from outside (labels, file names) become text nodes, or are escaped.
"""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from html import escape
from typing import Any

from nicegui import html
from nicegui.events import GenericEventArguments

from pipeline.tuner.refits import Numbers
from pipeline.tuner.session import CurvePoint, Session, SplitPredictions

Lines = Mapping[str, Sequence[float | None]]
"""Scores of `validation` and `training`."""

# Lines and symbols differ too. The colours suit all kinds of colour vision (Okabe & Ito 2008), light and dark.
_SERIES = {"validation": ("#2b8cc4", "solid", "circle"), "training": ("#d55e00", "dashed", "triangle")}


def curve_of_sizes(points: Sequence[CurvePoint], *, is_share: bool = True) -> dict[str, Any]:
    """ECharts' options for the score against the size of the training set; `is_share`: it is shown in per cent."""
    values: Lines = {
        "validation": [point.validation for point in points],
        "training": [point.train for point in points],
    }
    return _chart("training images", [f"{point.num_train:,}" for point in points], values, is_share=is_share)


def curve_of_epochs(history: Sequence[Mapping[str, float]], *, is_share: bool = True) -> dict[str, Any]:
    """ECharts' options for the score against epochs."""
    values = {"validation": [row["val_accuracy"] for row in history], "training": [row["accuracy"] for row in history]}
    return _chart("epochs", [f"{row['epoch']:g}" for row in history], values, is_share=is_share)


def _chart(what: str, names: Sequence[str], values: Lines, *, is_share: bool) -> dict[str, Any]:
    shown = [value for line in values.values() for value in line if value is not None]
    lowest = min(shown, default=0)
    if is_share:
        scale: dict[str, Any] = {"min": int(lowest * 20) * 5, "max": 100, "axisLabel": {"formatter": "{value} %"}}
    else:
        scale = {"min": max(-1, math.floor(lowest * 10) / 10), "max": 1}  # R2 far below 0 says no more than -1
    return {
        "animation": False,
        "aria": {"enabled": True},
        "textStyle": {"fontFamily": "inherit"},
        "grid": {"left": 8, "right": 24, "top": 40, "bottom": 28, "containLabel": True},
        "legend": {"top": 0, "itemWidth": 36, "itemGap": 24},
        "tooltip": {"trigger": "axis", "confine": True},
        "xAxis": {
            "type": "category",
            "data": list(names),
            "name": what,
            "nameLocation": "middle",
            "nameGap": 28,
            "boundaryGap": False,
        },
        "yAxis": {
            "type": "value",
            **scale,
            "splitLine": {"lineStyle": {"color": "#8886"}},
        },
        "series": [
            {
                "type": "line",
                "name": name,
                "data": [_point(value, is_share=is_share) for value in values[name]],
                "color": colour,
                "symbol": symbol,
                "symbolSize": 8,
                "lineStyle": {"type": line, "width": 2},
            }
            for name, (colour, line, symbol) in _SERIES.items()
        ],
    }


def _point(value: float | None, *, is_share: bool) -> float | None:
    if value is None:
        return None
    return round(100 * value, 1) if is_share else round(max(value, -1), 3)


def draw_images(
    session: Session,
    predictions: SplitPredictions,
    indices: Numbers,
    caption: Callable[[int, int], Sequence[str]],
    draw_changes: Callable[[int, int], object],
) -> None:
    """Thumbnails with their labels and predictions.

    Args:
        session: Names and digests.
        predictions: The predictions of a head.
        indices: Which of them to show, in this order.
        caption: Two texts, on label and prediction, of an image's index and its row in the manifest.
        draw_changes: Draws what gives it another label, and what every image has.
    """
    manifest = session.manifest
    with html.div().classes("images"):
        for index in map(int, indices):
            row = int(predictions.rows[index])
            name = manifest.names[row]
            with html.figure(**{"data-row": row}).classes("image"):
                html.img(src=f"/image/{manifest.digests[row].hex()}", alt=name, title=name, loading="lazy")
                with html.figcaption():
                    html.p(name.rpartition("/")[2], title=name).classes("name")
                    for text, kind in zip(caption(index, row), ("label", "prediction"), strict=True):
                        html.p(text).classes(kind)
                    draw_changes(index, row)


def draw_list(
    name: str, options: Sequence[tuple[str, str]], chosen: str, choose: Callable[[str], Awaitable[None]]
) -> None:
    """The browser's own list, which is quick on a phone and by keyboard.

    Args:
        name: What it is, for screen readers.
        options: Value and text of each entry.
        chosen: The value that is shown.
        choose: Called with the value that is chosen.
    """
    # One text, because with 100 classes a page of 60 images would have 6,000 elements.
    texts = "".join(
        f'<option value="{escape(value)}"{" selected" * (value == chosen)}>{escape(text)}</option>'
        for value, text in options
    )
    select = html.select(innerHTML=texts, **{"aria-label": name})

    async def take(event: GenericEventArguments) -> None:
        await choose(event.args)

    select.on("change", take, js_handler="(event) => emit(event.target.value)")
