"""Labels of a page that may be wrong: each image is judged by ridge without it and its copies, from the rows of the map.

Letters: N images of the map, D features.
"""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError
from pipeline.insight.checked import Checked, checked_mask, checked_path, read_checked
from pipeline.insight.findings import Shown, Suspect
from pipeline.insight.judged import judge_rows
from pipeline.reports.prediction_table import SPLITS, PredictionTable
from pipeline.runs.folder import RunFolder
from pipeline.tasks.task import Task

logger = logging.getLogger(__name__)

Features = tuple[NDArray[np.int64], NDArray[np.float32]]

MAX_SUSPECTS = 24


def judge_labels(
    task: Task,
    predictions: PredictionTable,
    features: Features | None,
    note: str | None = None,
    checked: Checked | None = None,
) -> dict[str, Any] | None:
    """The most suspect labels as plain data; None for tasks in which images do not have one class each.

    Images under two labels are a section of their own, so they are counted here and not listed.

    Args:
        task: What is asked.
        predictions: The images.
        features: Images of the map, (N,), and their pooled rows, (N, D); None if they are gone.
        note: Why they are gone.
        checked: Labels that a user took for right; they are counted and not listed.

    Returns:
        {judged: N, accuracy: share of labels that are the most likely ones, chosen: the regularisation, count: of suspects, conflicting:
        of those under two labels, checked: of those that a user took for right, listed: [row, likely class, p(label), p(likely), share of neighbours that disagree, [[row, cosine], ...]]};
        or {note: why none is judged}.
    """
    if not task.is_exclusive:
        return None
    return {"note": note} if features is None else _find(task, predictions, *features, checked or {})


def _find(
    task: Task, predictions: PredictionTable, rows: NDArray[np.int64], X: NDArray[np.float32], checked: Checked
) -> dict[str, Any]:
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
    alone = [suspect for suspect in found if len(labels_of[predictions.digests[suspect.image.row]]) < 2]
    mask = checked_mask(checked, digests, [task.names[label] for label in labels])
    is_checked = dict(zip(rows.tolist(), mask.tolist(), strict=True))
    own = [suspect for suspect in alone if not is_checked[suspect.image.row]]
    return {
        "judged": len(rows),
        "accuracy": round(done.accuracy, 4),
        "chosen": done.chosen,
        "count": len(own),
        "conflicting": len(found) - len(alone),
        "checked": len(alone) - len(own),
        "listed": [_as_data(suspect, task) for suspect in own[:MAX_SUSPECTS]],
    }


def checked_of(run: RunFolder) -> Checked:
    """The labels of a run's data that a user took for right; none, with a warning, if their table cannot be read."""
    try:
        return read_checked(checked_path(run.info.source))
    except DataLayoutError as error:
        logger.warning("The page does not know which labels were checked. %s", error)
        return {}


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
