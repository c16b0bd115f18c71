"""A table of labels: the images that each misses, is wrongly given, and finds."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from nicegui import html, ui

from pipeline.tasks.label_scores import LabelScore
from pipeline.tasks.multilabel import NOTHING, SEPARATOR, UNKNOWN
from pipeline.tasks.scores import percent
from pipeline.tuner.panes.curves import draw_curves
from pipeline.tuner.panes.pane import Pane
from pipeline.tuner.parts import draw_list
from pipeline.tuner.refits import Numbers
from pipeline.tuner.session import Results, SplitPredictions

LabelPart = tuple[int, str]
"""Number of a label, and `missed`, `false` or `found`."""

_WORDS = {"missed": "is not predicted", "false": "is predicted and is not there", "found": "found"}
_HEADS = ("label", "images", "average precision", "F1", "precision", "recall", "threshold", "missed", "false", "found")
_MAX_LIKELY = 3


class LabelPane(Pane[LabelPart]):
    """Of several labels for each image."""

    title = "By label"
    _label = 0

    def summary(self, results: Results) -> str:
        return results.validation.scores.as_sentence()

    def draw(self, predictions: SplitPredictions, choose: Callable[[LabelPart | None], Any]) -> None:
        self._names, self.buttons = predictions.task.names, {}
        scores: Any = predictions.scores
        html.p("Thresholds are those with the largest F1 on validation. Press a number to see its images.").classes(
            "note"
        )
        with html.div().classes("scroll"), html.table().classes("by-label"):
            with html.thead(), html.tr():
                for head in _HEADS:
                    html.th(head, scope="col")
            with html.tbody():
                for number, name in enumerate(self._names):
                    with html.tr():
                        html.th(name, scope="row", title=name)
                        for text in _figures(scores.labels[name]):
                            html.td(text)
                        for what in _WORDS:
                            with html.td():
                                self._draw_button(predictions, (number, what), choose)
        self._draw_curves(predictions)

    def _draw_curves(self, predictions: SplitPredictions) -> None:
        """Of one label, which a list chooses."""
        self._label = min(self._label, len(self._names) - 1)
        with html.div() as place:
            self._draw_label(predictions)

        def take(number: int) -> None:
            self._label = number
            place.clear()
            with place:
                self._draw_label(predictions)

        ui.select(
            dict(enumerate(self._names)),
            label="Curves of",
            value=self._label,
            on_change=lambda event: take(event.value),
        )

    def _draw_label(self, predictions: SplitPredictions) -> None:
        number, task = self._label, predictions.task
        known = np.isfinite(predictions.y[:, number])
        p, y = predictions.outputs[known, number], predictions.y[known, number] == 1
        draw_curves(p, y, task.cut_of(number), task.names[number])

    def _draw_button(
        self, predictions: SplitPredictions, part: LabelPart, choose: Callable[[LabelPart | None], Any]
    ) -> None:
        count = len(self.indices(predictions, part))
        button = html.button(f"{count:,}", type="button", **{"aria-label": f"{self.name_of(part)}: {count}"})
        button.classes("none" if not count else "right" if part[1] == "found" else "wrong")
        self.buttons[part] = button.on("click", lambda: choose(part), [])

    def indices(self, predictions: SplitPredictions, part: LabelPart) -> Numbers:
        """Missed and found images, the least probable first; false ones, the most probable first."""
        number, what = part
        true, given, p = predictions.y[:, number], predictions.decided[:, number] == 1, predictions.outputs[:, number]
        chosen = {"missed": (true == 1) & ~given, "false": (true == 0) & given, "found": (true == 1) & given}
        return predictions.among(chosen[what], p if what == "false" else -p)

    def name_of(self, part: LabelPart) -> str:
        return f"{self._names[part[0]]} {_WORDS[part[1]]}"

    def caption(self, predictions: SplitPredictions, index: int, row: int, part: LabelPart | None) -> Sequence[str]:
        p = predictions.outputs[index]
        given = [number for number in np.argsort(-p) if predictions.decided[index, number] == 1]
        shown = list(dict.fromkeys([*([part[0]] if part else []), *given]))[:_MAX_LIKELY]
        texts = [f"{self._names[number]} {100 * p[number]:.0f} %" for number in shown]
        predicted = predictions.task.text(predictions.decided[index]).replace(SEPARATOR, ", ")
        likely = f" ({', '.join(texts)})" if texts else ""
        return self.label_of(row), f"predicted {predicted}{likely}"

    def label_of(self, row: int) -> str:
        return f"labels {self.session.manifest.labels[row]}".replace(SEPARATOR, ", ")

    def draw_changes(self, predictions: SplitPredictions, index: int, row: int, part: LabelPart | None) -> None:
        label = str(self.session.manifest.labels[row])
        if part:
            name = self._names[part[0]]
            words = f"Remove {name}" if predictions.y[index, part[0]] == 1 else f"Add {name}"
            button = html.button(words, type="button").classes("relabel")
            button.on("click", partial(self.relabel, row, toggled(label, name, self._names)), [])
        options = [("", "Change a label")]
        for name, value in zip(self._names, predictions.y[index], strict=True):
            known = "is not known; add it" if np.isnan(value) else "remove" if value == 1 else "add"
            options.append((name, f"{name}: {known}"))

        async def choose(name: str) -> None:
            if name:
                await self.relabel(row, toggled(label, name, self._names))

        draw_list(f"Labels of {self.session.manifest.names[row]}", options, "", choose)


def _figures(score: LabelScore) -> list[str]:
    shares = (score.average_precision, score.f1, score.precision, score.recall)
    return [
        f"{score.positive:,}",
        *("\u2013" if each is None else percent(each) for each in shares),
        f"{score.threshold:.3f}",
    ]


def toggled(label: str, name: str, names: Sequence[str]) -> str:
    """The labels of an image as one text, with one of them added, or removed if it is there; a label that is not known is added."""
    has = [] if label == NOTHING else label.split(SEPARATOR)
    others = [part for part in has if part not in (name, f"{UNKNOWN}{name}")]
    kept = others if name in has else [*others, name]
    return SEPARATOR.join(sorted(kept, key=lambda part: names.index(part.removeprefix(UNKNOWN)))) or NOTHING
