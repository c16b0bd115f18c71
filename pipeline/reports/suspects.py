"""Labels of a page that may be wrong: each image is judged by ridge without it and its copies, from the rows of the map.

Letters: N images of the map, D features.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.insight.findings import Shown, Suspect
from pipeline.insight.judged import judge_rows
from pipeline.reports.prediction_table import SPLITS, PredictionTable
from pipeline.tasks.task import Task

Features = tuple[NDArray[np.int64], NDArray[np.float32]]

MAX_SUSPECTS = 24


def judge_labels(
    task: Task, predictions: PredictionTable, features: Features | None, note: str | None = None
) -> dict[str, Any] | None:
    """The most suspect labels as plain data; None for tasks in which images do not have one class each.

    Images under two labels are a section of their own, so they are counted here and not listed.

    Args:
        task: What is asked.
        predictions: The images.
        features: Images of the map, (N,), and their pooled rows, (N, D); None if they are gone.
        note: Why they are gone.

    Returns:
        {judged: N, accuracy: share of labels that are the most likely ones, chosen: the regularisation, count: of suspects, conflicting:
        of those under two labels, listed: [row, likely class, p(label), p(likely), share of neighbours that disagree, [[row, cosine], ...]]};
        or {note: why none is judged}.
    """
    if not task.is_exclusive:
        return None
    return {"note": note} if features is None else _find(task, predictions, *features)


def _find(task: Task, predictions: PredictionTable, rows: NDArray[np.int64], X: NDArray[np.float32]) -> dict[str, Any]:
    def show(place: int) -> Shown:
        row = int(rows[place])
        return Shown(predictions.names[row], SPLITS[predictions.splits[row]], "", row)

    labels, digests = predictions.labels[rows].astype(np.int64), [predictions.digests[row] for row in rows]
    try:
        done, found = judge_rows(task, X, labels, digests, show)
    except DataLayoutError as error:
        return {"note": str(error)}
    labels_of: dict[bytes, set[int]] = {}
    for digest, label in zip(predictions.digests, predictions.labels.tolist(), strict=True):
        labels_of.setdefault(digest, set()).add(label)
    own = [suspect for suspect in found if len(labels_of[predictions.digests[suspect.image.row]]) < 2]
    return {
        "judged": len(rows),
        "accuracy": round(done.accuracy, 4),
        "chosen": done.chosen,
        "count": len(own),
        "conflicting": len(found) - len(own),
        "listed": [_as_data(suspect, task) for suspect in own[:MAX_SUSPECTS]],
    }


def rows_of(suspects: dict[str, Any] | None) -> list[list[int]]:
    """Rows that the page shows side by side: each suspect with its neighbours."""
    listed = (suspects or {}).get("listed", [])
    return [[row, *(near for near, _ in neighbours)] for row, *_, neighbours in listed]


def _as_data(suspect: Suspect, task: Task) -> list[Any]:
    return [
        suspect.image.row,
        task.names.index(suspect.likely),
        round(suspect.probability, 4),
        round(suspect.likely_probability, 4),
        round(suspect.disagree, 2),
        [[near.image.row, round(near.cosine, 3)] for near in suspect.neighbours],
    ]
