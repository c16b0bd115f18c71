"""Cross-validation on cached rows: every training and validation image is predicted by heads that have not seen it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, SettingError
from pipeline.progress import progress_bar
from pipeline.stage_two.head import Head, predict_rows
from pipeline.stage_two.rows import LabelledRows, Split, StoredRows
from pipeline.tasks.task import Task

logger = logging.getLogger(__name__)

_INNER_SHARE = 0.2
"""Of the images of each class in a fold's training part: what the regularisation or the epoch is chosen on."""


@dataclass(frozen=True)
class Folds:
    """How often and into how many parts the images are divided."""

    num_folds: int = 5
    num_repeats: int = 1

    def __post_init__(self) -> None:
        if self.num_folds < 2 or self.num_repeats < 1:
            raise SettingError(
                "A cross-validation has two or more folds and one or more repeats. "
                f"Received: --folds {self.num_folds} --repeats {self.num_repeats}."
            )


def folds_of(num_folds: int | None, num_repeats: int) -> Folds | None:
    """The folds that keywords ask for."""
    return None if num_folds is None else Folds(num_folds, num_repeats)


@dataclass(frozen=True)
class FoldScores:
    """What the heads of all folds say of the images that they have not seen."""

    accuracies: Sequence[float]
    """Of each fold, repeat after repeat."""

    rows: Sequence[tuple[str, str, str, float, int]]
    """Name, label, predicted label, its probability, and fold (from 1 on) of each image, in the first repeat."""

    folds: Folds

    @property
    def accuracy(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.accuracies))

    @property
    def deviation(self) -> float:
        """Standard deviation between the folds. They share training images, so it is no standard error of the mean."""
        return float(np.std(self.accuracies, ddof=1))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the predictions."""
        return {
            "folds": self.folds.num_folds,
            "repeats": self.folds.num_repeats,
            "images": len(self.rows),
            "accuracy": self.accuracy,
            "deviation": self.deviation,
            "accuracies": list(self.accuracies),
        }


def cross_validate(
    train: Callable[[LabelledRows], Head],
    labelled: LabelledRows,
    folds: Folds,
    *,
    seed: int = 0,
    progress: bool = False,
) -> FoldScores:
    """Train a head for each fold on all others, and predict the fold with it.

    Folds have about as many images of each class; images of a group, and images with the same content, are in one fold. The regularisation, or the epoch that is kept,
    is chosen on a fifth of the training part, so that no image has a say in the head that predicts it. Test images take no part.
    Images of a class that has only one group or content take part in every training, and are not predicted.

    Args:
        train: Trains a head on the training split of the rows, and chooses on its validation split.
        labelled: Rows and labels.
        folds: How many.
        seed: Of the division; each repeat has another one.
        progress: Show a progress bar.

    Raises:
        SettingError: The rows do not fit into memory.
        DataLayoutError: No class has two different images.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    whole = _together(labelled)
    groups = _groups(whole)
    fixed, moving = _moving(whole.y, groups)
    num_folds = min(folds.num_folds, len(np.unique(groups[moving])))
    accuracies: list[float] = []
    rows: list[tuple[str, str, str, float, int]] = []
    bar = progress_bar(desc="folds", total=num_folds * folds.num_repeats, unit="fold", progress=progress)
    with bar:
        for repeat in range(folds.num_repeats):
            divide = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed + repeat)
            for number, (known, held) in enumerate(_parts(divide, whole.y[moving], groups[moving]), start=1):
                rest, out = np.concatenate([fixed, moving[known]]), moving[held]
                probabilities = predict_rows(train(_fold_rows(whole, rest, labelled.task)), _rows_of(whole, out))
                predicted = probabilities.argmax(axis=1)
                accuracies.append(float((predicted == whole.y[out]).mean()))
                if repeat == 0:
                    rows += [
                        (
                            whole.names[row],
                            labelled.classes[whole.y[row]],
                            labelled.classes[label],
                            float(values[label]),
                            number,
                        )
                        for row, label, values in zip(out, predicted, probabilities, strict=True)
                    ]
                bar.update()
    return FoldScores(accuracies, rows, Folds(num_folds, folds.num_repeats))


def _parts(divide: Any, y: NDArray[np.int64], groups: NDArray[np.int64]) -> Any:
    """Positions to train on and to predict; a warning on classes with fewer images than folds is no news here."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        return list(divide.split(np.zeros(len(y)), y, groups))


def _together(labelled: LabelledRows) -> Split:
    """Training and validation images as one split, without views."""
    parts = [labelled.splits[name] for name in ("train", "validation") if name in labelled.splits]
    arrays = [part.X for part in parts]
    if any(isinstance(rows, StoredRows) for rows in arrays):
        raise SettingError("A cross-validation needs all rows in memory. Use --pool avg, or give a larger --memory-gb.")
    return Split(
        np.concatenate([np.asarray(rows) for rows in arrays]),
        np.concatenate([part.y for part in parts]),
        tuple(name for part in parts for name in part.names),
        digests=tuple(digest for part in parts for digest in part.digests),
        groups=tuple(group for part in parts for group in part.groups or (None,) * len(part)),
    )


def _groups(whole: Split) -> NDArray[np.int64]:
    """A number for each image: equal for images of one group, or of one content where there is no group."""
    names = [group or digest.hex() for group, digest in zip(whole.groups, whole.digests, strict=True)]
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def _moving(y: NDArray[np.int64], groups: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that are always trained on, because their class has no other group, and the others."""
    alone = [label for label in np.unique(y) if len(np.unique(groups[y == label])) < 2]
    is_fixed = np.isin(y, alone)
    if is_fixed.all():
        raise DataLayoutError(
            "A cross-validation needs two different images of a class at least. Received: one of each. Add images."
        )
    if alone:
        logger.warning(
            "%d classes have only one image each, which takes part in every training and is not predicted.", len(alone)
        )
    return np.flatnonzero(is_fixed), np.flatnonzero(~is_fixed)


def _fold_rows(whole: Split, rows: NDArray[np.int64], task: Task) -> LabelledRows:
    """These rows: a fifth of each class to choose on, the others to train on; all of them where there are too few."""
    by_class = [rows[whole.y[rows] == label] for label in range(len(task.names))]
    steps = round(1 / _INNER_SHARE)
    inner = np.concatenate([part[steps - 1 :: steps] for part in by_class])
    outer = np.setdiff1d(rows, inner)
    if not len(inner):
        inner = outer
    return LabelledRows(task, {name: _part(whole, part) for name, part in (("train", outer), ("validation", inner))})


def _part(whole: Split, rows: NDArray[np.int64]) -> Split:
    return Split(_rows_of(whole, rows), whole.y[rows], tuple(whole.names[row] for row in rows))


def _rows_of(whole: Split, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    picked: NDArray[np.float32] = whole.X[rows]
    return picked
