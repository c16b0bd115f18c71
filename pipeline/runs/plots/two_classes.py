"""ROC and precision-recall curves of two classes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.runs.plots.canvas import BLUE, RED, SHARE, Axis, Panel, Sheet
from pipeline.runs.plots.texts import shortened
from pipeline.tasks.class_scores import ClassScores
from pipeline.tasks.curves import RankCurve, rank_curve
from pipeline.tasks.label_scores import average_precision

_SIZE = 520
_MOST_POINTS = 600


def draw_decision(
    path: Path, probabilities: NDArray[np.float32], y: NDArray[np.int64], scores: ClassScores, cut: float, title: str
) -> None:
    """What each threshold on the probability of the second class would give, and the point of the threshold in use.

    Args:
        path: The PNG file.
        probabilities: Of the second class, (N,).
        y: Class numbers, 0 and 1; each occurs, (N,).
        scores: Of these predictions.
        cut: The threshold in use.
        title: Of the plot.
    """
    _, second = scores.recall
    curve = rank_curve(probabilities, y == 1)
    in_use, thin = curve.at(cut) - 1, curve.thinned(_MOST_POINTS)
    sheet = Sheet(2 * _SIZE, _SIZE, title, (second,))
    top = sheet.top
    roc = Panel(
        sheet,
        (0, top, _SIZE, top + _SIZE),
        Axis(*SHARE, "false positive rate"),
        Axis(*SHARE, "true positive rate (recall)"),
        f"ROC, area {scores.roc_auc:.3f}",
    )
    roc.line(np.array(SHARE), np.array(SHARE), (120, 120, 120), width=1.5, dashed=True)
    roc.line(np.append(0, thin.fall_out), np.append(0, thin.recall), BLUE)
    precise = Panel(
        sheet,
        (_SIZE, top, 2 * _SIZE, top + _SIZE),
        Axis(*SHARE, f"recall of {shortened(second, 20)}"),
        Axis(*SHARE, "precision"),
        f"average precision {average_precision(probabilities, y == 1)[0]:.3f}",
    )
    precise.line(thin.recall, thin.precision, BLUE)
    _mark(roc, precise, curve, in_use)
    sheet.save(path)


def _mark(roc: Panel, precise: Panel, curve: RankCurve, at: int) -> None:
    """A ring at the threshold in use; none on the right if nothing is found."""
    if at < 0:
        roc.ring(0, 0, RED)
        return
    roc.ring(curve.fall_out[at], curve.recall[at], RED)
    precise.ring(curve.recall[at], curve.precision[at], RED)
