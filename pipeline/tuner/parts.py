"""The parts of the page that show results: learning curve, confusion matrix, images.

Texts from outside (labels, file names) become text nodes, or are escaped.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

import numpy as np
from nicegui import html
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from pipeline.tuner.refits import Numbers
from pipeline.tuner.session import CurvePoint, Session, SplitPredictions

Lines = Mapping[str, Sequence[float | None]]
"""Accuracies of `validation` and `training`."""

Cell = tuple[int, int]
"""Of a confusion matrix: number of the true class, and of the predicted one."""

MAX_CLASSES = 20
"""Classes of a confusion matrix that are shown, those with the most mistakes. Each cell is a button, and a thousand are too many."""

# Lines and symbols differ too. The colours suit all kinds of colour vision (Okabe & Ito 2008), light and dark.
_SERIES = {"validation": ("#2b8cc4", "solid", "circle"), "training": ("#d55e00", "dashed", "triangle")}


def curve_of_sizes(points: Sequence[CurvePoint]) -> dict[str, Any]:
    """ECharts' options for accuracy against the size of the training set."""
    values: Lines = {
        "validation": [point.validation for point in points],
        "training": [point.train for point in points],
    }
    return _chart("training images", [f"{point.num_train:,}" for point in points], values)


def curve_of_epochs(history: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """ECharts' options for accuracy against epochs."""
    values = {"validation": [row["val_accuracy"] for row in history], "training": [row["accuracy"] for row in history]}
    return _chart("epochs", [f"{row['epoch']:g}" for row in history], values)


def _chart(what: str, names: Sequence[str], values: Lines) -> dict[str, Any]:
    shown = [value for line in values.values() for value in line if value is not None]
    low = int(min(shown, default=0) * 20) * 5  # the next lower multiple of 5 %
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
            "min": low,
            "max": 100,
            "axisLabel": {"formatter": "{value} %"},
            "splitLine": {"lineStyle": {"color": "#8886"}},
        },
        "series": [
            {
                "type": "line",
                "name": name,
                "data": [None if value is None else round(100 * value, 1) for value in values[name]],
                "color": colour,
                "symbol": symbol,
                "symbolSize": 8,
                "lineStyle": {"type": line, "width": 2},
            }
            for name, (colour, line, symbol) in _SERIES.items()
        ],
    }


def draw_confusion(
    predictions: SplitPredictions, classes: Sequence[str], choose: Callable[[Cell], Any]
) -> dict[Cell, Element]:
    """A table with a button for each cell.

    Args:
        predictions: The predictions to count.
        classes: K names.
        choose: Called with the cell that is pressed.

    Returns:
        The buttons by their cells.
    """
    confusion = np.array(predictions.scores.confusion)
    wrong = confusion.sum(axis=0) + confusion.sum(axis=1) - 2 * confusion.diagonal()
    shown = sorted(np.argsort(-wrong, kind="stable")[:MAX_CLASSES].tolist())
    buttons: dict[Cell, Element] = {}
    which = f" The {len(shown)} of {len(classes)} classes with the most mistakes." if len(shown) < len(classes) else ""
    html.p(f"Rows: true class. Columns: predicted class.{which}").classes("note")
    # Short names, such as digits, need no turned heads.
    is_many = len(shown) > 5 and max(len(classes[number]) for number in shown) > 3
    with html.div().classes("scroll"), html.table().classes("confusion many" if is_many else "confusion"):
        with html.thead(), html.tr():
            html.td()
            for predicted in shown:
                html.th(classes[predicted], scope="col", title=classes[predicted])
        with html.tbody():
            for true in shown:
                with html.tr():
                    html.th(classes[true], scope="row", title=classes[true])
                    total = max(1, int(confusion[true].sum()))
                    for predicted in shown:
                        with html.td():
                            button = _draw_cell(classes, (true, predicted), int(confusion[true, predicted]), total)
                        buttons[true, predicted] = button.on("click", lambda cell=(true, predicted): choose(cell), [])
    return buttons


def _draw_cell(classes: Sequence[str], cell: Cell, count: int, total: int) -> Element:
    what = name_of(cell, classes)
    button: Element = html.button(
        f"{count:,}", type="button", **{"aria-label": f"{what}: {count} of {total}", "title": what}
    )
    # The colour repeats the share that the number gives, and leaves the number readable.
    kind = "none" if not count else "right" if cell[0] == cell[1] else "wrong"
    button.classes(kind).style(f"--share: {round(70 * count / total)}%")
    return button


def name_of(cell: Cell, classes: Sequence[str]) -> str:
    """What the images of a cell have in common."""
    true, predicted = (classes[number] for number in cell)
    return f"{true} recognised" if true == predicted else f"{true} predicted as {predicted}"


def draw_images(
    session: Session,
    predictions: SplitPredictions,
    indices: Numbers,
    classes: Sequence[str],
    relabel: Callable[[int, str], Awaitable[None]],
) -> None:
    """Thumbnails with their predictions, and two ways to give another label.

    Args:
        session: Names, labels and digests.
        predictions: The predictions of a head.
        indices: Which of them to show, in this order.
        classes: K names, those of the predictions.
        relabel: Called with the row in the manifest and the new label.
    """
    manifest = session.manifest
    with html.div().classes("images"):
        for index in indices:
            row, probabilities = int(predictions.rows[index]), predictions.probabilities[index]
            predicted, label = classes[int(probabilities.argmax())], str(manifest.labels[row])
            name = manifest.names[row]
            with html.figure().classes("image"):
                html.img(src=f"/image/{manifest.digests[row].hex()}", alt=name, title=name, loading="lazy")
                with html.figcaption():
                    html.p(name.rpartition("/")[2], title=name).classes("name")
                    html.p(f"label {label}").classes("label")
                    html.p(f"predicted {predicted}, {100 * probabilities.max():.0f} %").classes("prediction")
                    if predicted != label:
                        button = html.button(f"Relabel: {predicted}", type="button").classes("relabel")
                        button.on("click", partial(relabel, row, predicted), [])
                    _draw_labels(name, label, session.classes, partial(relabel, row))


def _draw_labels(name: str, label: str, classes: Sequence[str], choose: Callable[[str], Awaitable[None]]) -> None:
    """The browser's own list, which is quick on a phone and by keyboard."""
    # One text, because with 100 classes a page of 60 images would have 6,000 elements.
    options = "".join(
        f'<option value="{escape(option)}"{" selected" * (option == label)}>{escape(option)}</option>'
        for option in classes
    )
    select = html.select(innerHTML=options, **{"aria-label": f"Label of {name}"})

    async def take(event: GenericEventArguments) -> None:
        await choose(event.args)

    select.on("change", take, js_handler="(event) => emit(event.target.value)")
