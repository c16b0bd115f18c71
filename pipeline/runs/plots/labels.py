"""Plots of several labels: a bar for each, and precision-recall curves of the most frequent ones."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.runs.plots.canvas import BLUE, PALETTE, RED, SHARE, Axis, Panel, Sheet
from pipeline.runs.plots.texts import FONT_PX, shortened
from pipeline.tasks.curves import rank_curve
from pipeline.tasks.label_scores import LabelScores

MAX_BARS, MAX_CURVES = 40, 8
_LINE, _LEFT, _BARS, _RIGHT = 44, 230, 560, 190
_LONGEST = 22
_MOST_POINTS = 400


def draw_labels(path: Path, scores: LabelScores, title: str) -> None:
    """Average precision and F1 of each label, the lowest last; of many labels the lowest ones."""
    rows = [(name, each) for name, each in scores.labels.items() if each.average_precision is not None]
    rows = sorted(rows, key=lambda row: -(row[1].average_precision or 0))[-MAX_BARS:]
    more = f"\nThe {len(rows)} of {len(scores.labels)} labels with the lowest scores" if len(rows) == MAX_BARS else ""
    sheet = Sheet(_LEFT + _BARS + _RIGHT, _LINE * len(rows) + 2 * _LINE, f"{title}{more}", [name for name, _ in rows])
    y = sheet.top + _LINE // 2
    for colour, text, x in ((BLUE, "average precision", _LEFT), (RED, "F1 at the threshold", _LEFT + 230)):
        sheet.fill((x, y - 8, x + 16, y + 8), colour)
        sheet.write(text, x + 24, y)
    sheet.write("images", _LEFT + _BARS + _RIGHT - 20, y, side="right")
    for number, (name, each) in enumerate(rows):
        middle = sheet.top + _LINE * (number + 1.5)
        sheet.write(shortened(name, _LONGEST), _LEFT - 12, middle, side="right")
        for value, colour, low, high in ((each.average_precision, BLUE, -15, -1), (each.f1, RED, 2, 12)):
            sheet.fill((_LEFT, middle + low, _LEFT + _BARS * (value or 0), middle + high), colour)
        text = f"{each.average_precision:.3f}"
        sheet.write(text, _LEFT + _BARS * (each.average_precision or 0) + 8, middle, size_px=FONT_PX - 4)
        sheet.write(f"{each.positive:,}", _LEFT + _BARS + _RIGHT - 20, middle, side="right")
    sheet.save(path)


def draw_label_curves(
    path: Path,
    probabilities: NDArray[np.float32],
    y: NDArray[np.float32],
    names: Sequence[str],
    thresholds: Sequence[float],
    title: str,
) -> None:
    """Precision-recall curves of the labels with most images; a ring is the point of the threshold in use."""
    positive = (y == 1).sum(axis=0)
    chosen = [int(k) for k in np.argsort(-positive, kind="stable")[:MAX_CURVES] if positive[k]]
    more = f"\nThe {len(chosen)} of {len(names)} labels with most images" if len(chosen) < len(names) else ""
    size = 560
    sheet = Sheet(size + 300, size, f"{title}{more}", names)
    top = sheet.top
    panel = Panel(sheet, (0, top, size, top + size), Axis(*SHARE, "recall"), Axis(*SHARE, "precision"))
    for number, k in enumerate(chosen):
        known, colour, dashed = np.isfinite(y[:, k]), PALETTE[number], number % 2 == 1
        curve = rank_curve(probabilities[known, k], y[known, k] == 1)
        thin, at = curve.thinned(_MOST_POINTS), curve.at(thresholds[k]) - 1
        panel.line(thin.recall, thin.precision, colour, dashed=dashed)
        if at >= 0:
            panel.ring(curve.recall[at], curve.precision[at], colour)
        line = top + 60 + 40 * number
        sheet.stroke([(size + 10, line), (size + 54, line)], colour, 3, dashed=dashed)
        sheet.write(shortened(names[k], _LONGEST), size + 64, line)
    sheet.save(path)
