"""The confusion matrix: each cell shows its images."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from nicegui import html
from nicegui.element import Element

from pipeline.tuner.panes.curves import draw_curves
from pipeline.tuner.panes.pane import Pane
from pipeline.tuner.parts import draw_list
from pipeline.tuner.refits import Numbers
from pipeline.tuner.session import Results, SplitPredictions

Cell = tuple[int, int]
"""Of a confusion matrix: number of the true class, and of the predicted one."""

MAX_CLASSES = 20
"""Classes of a confusion matrix that are shown, those with the most mistakes. Each cell is a button, and a thousand are too many."""

_WIDE = 8  # with more classes the matrix takes the full width of the page


class ClassPane(Pane[Cell]):
    """Of one class for each image."""

    title = "Confusion matrix"

    def summary(self, results: Results) -> str:
        scores: Any = results.validation.scores
        low, high = scores.ci95
        num_right = sum(row[number] for number, row in enumerate(scores.confusion))
        return (
            f"{num_right:,} of {scores.n:,} right (95 % interval {100 * low:.1f} to {100 * high:.1f} %), log loss "
            f"{scores.loss:.4f}."
        )

    def is_wide(self, results: Results) -> bool:
        return len(results.classes) > _WIDE

    def draw(self, predictions: SplitPredictions, choose: Callable[[Cell | None], Any]) -> None:
        self._classes = predictions.task.names
        self.buttons = dict(draw_confusion(predictions, self._classes, choose))
        if len(self._classes) == 2:
            cut = predictions.task.cut_of(1)
            draw_curves(predictions.outputs[:, 1], predictions.y == 1, cut, self._classes[1])

    def indices(self, predictions: SplitPredictions, part: Cell) -> Numbers:
        """The most confident predictions first."""
        true, predicted = part
        chosen = (predictions.y == true) & (predictions.decided == predicted)
        return predictions.among(chosen, predictions.outputs[:, predicted])

    def name_of(self, part: Cell) -> str:
        return name_of(part, self._classes)

    def caption(self, predictions: SplitPredictions, index: int, row: int, part: Cell | None) -> Sequence[str]:
        number = int(predictions.decided[index])
        label, p = str(self.session.manifest.labels[row]), predictions.outputs[index, number]
        return f"label {label}", f"predicted {self._classes[number]}, {100 * p:.0f} %"

    def draw_changes(self, predictions: SplitPredictions, index: int, row: int, part: Cell | None) -> None:
        label, predicted = str(self.session.manifest.labels[row]), self._classes[int(predictions.decided[index])]
        if predicted != label:
            button = html.button(f"Relabel: {predicted}", type="button").classes("relabel")
            button.on("click", partial(self.relabel, row, predicted), [])
        name = f"Label of {self.session.manifest.names[row]}"
        draw_list(name, [(each, each) for each in self.session.classes], label, partial(self.relabel, row))


def draw_confusion(
    predictions: SplitPredictions, classes: Sequence[str], choose: Callable[[Cell | None], Any]
) -> dict[Cell, Element]:
    """A table with a button for each cell.

    Args:
        predictions: The predictions to count.
        classes: K names.
        choose: Called with the cell that is pressed.

    Returns:
        The buttons by their cells.
    """
    scores: Any = predictions.scores
    confusion = np.array(scores.confusion)
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
