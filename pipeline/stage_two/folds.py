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
from pipeline.tasks.targets import Outputs, Targets
from pipeline.tasks.task import Task

logger = logging.getLogger(__name__)

Positions = NDArray[np.int64]

_INNER_SHARE = 0.2
"""Of each stratum in a fold's training part: what the regularisation or the epoch is chosen on, where it cannot be left-out images."""


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
    """Outputs of the heads of all folds for the images that they have not seen."""

    name: str
    """Name of the main score, such as `accuracy`."""

    scores: Sequence[float]
    """The main score of each fold, repeat after repeat."""

    losses: Sequence[float]
    """The loss of each fold."""

    num_images: int
    folds: Folds

    rows: Sequence[tuple[str, str, str, float | None, int]] = ()
    """Name, label, predicted label, its probability (of classes), and fold (from 1 on) of each image, in the first repeat."""

    @property
    def mean(self) -> float:
        """Mean of the main score over the folds."""
        return float(np.mean(self.scores))

    @property
    def loss(self) -> float:
        """Mean of the loss over the folds."""
        return float(np.mean(self.losses))

    @property
    def deviation(self) -> float:
        """Standard deviation between the folds. They share training images, so it is no standard error of the mean."""
        return float(np.std(self.scores, ddof=1))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the predictions."""
        return {
            "folds": self.folds.num_folds,
            "repeats": self.folds.num_repeats,
            "images": self.num_images,
            "score": self.name,
            self.name: self.mean,
            "deviation": self.deviation,
            "loss": self.loss,
            "accuracies" if self.name == "accuracy" else "scores": list(self.scores),
        }


@dataclass(frozen=True)
class Division:
    """Training and validation images, divided into folds."""

    whole: Split
    """All of them, without views."""

    task: Task
    parts: Sequence[tuple[Positions, Positions]]
    """Rows to train on and rows to predict, of each fold of each repeat."""

    folds: Folds
    """With as many folds as there could be made."""

    def inner(self, rows: Positions) -> tuple[Positions, Positions]:
        """These rows: four fifths of each stratum to train on, a fifth to choose on; all of them for both where there are too few."""
        strata = self.task.strata(self.whole.y[rows])
        steps = round(1 / _INNER_SHARE)
        inner = np.concatenate([rows[strata == stratum][steps - 1 :: steps] for stratum in np.unique(strata)])
        outer = np.setdiff1d(rows, inner)
        return outer, inner if len(inner) else outer

    def take(self, rows: Positions) -> Split:
        """These rows as a split."""
        picked: NDArray[np.float32] = np.asarray(self.whole.X)[rows]
        return Split(picked, self.whole.y[rows], tuple(self.whole.names[row] for row in rows))

    def score(self, outputs: Sequence[Outputs], *, with_rows: bool = True) -> FoldScores:
        """The scores of predictions.

        Args:
            outputs: Of the rows to predict, of each part.
            with_rows: Also each prediction.
        """
        scores = [
            self.task.score(part, self.whole.y[held]) for part, (_, held) in zip(outputs, self.parts, strict=True)
        ]
        firsts = zip(outputs, self.parts[: self.folds.num_folds], strict=False)
        return FoldScores(
            self.task.main_score,
            [each.main for each in scores],
            [each.loss for each in scores],
            sum(len(held) for _, held in self.parts[: self.folds.num_folds]),
            self.folds,
            [
                self._row(row, output, number)
                for number, (part, (_, held)) in enumerate(firsts, start=1)
                for row, output in zip(held, part, strict=True)
            ]
            if with_rows
            else (),
        )

    def _row(self, row: int, output: NDArray[np.float32], fold: int) -> tuple[str, str, str, float | None, int]:
        answer = self.task.answer(output, 1)
        return self.whole.names[row], self.task.text(self.whole.y[row]), answer.label, answer.probability, fold


def divide(labelled: LabelledRows, folds: Folds, *, seed: int = 0) -> Division:
    """Divide the training and validation images into folds; test images take no part.

    Folds have about as many images of each stratum (class, rarest label, range of numbers); images of a group, and images with the same
    content, are in one fold. Images that are the only ones of their class take part in every training, and are not predicted.

    Args:
        labelled: Rows and labels.
        folds: How many.
        seed: Of the division; each repeat has another one.

    Raises:
        SettingError: The rows do not fit into memory.
        DataLayoutError: No class has two different images.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    whole = together(labelled)
    groups = _groups(whole)
    fixed, moving = _moving(labelled.task, whole.y, groups)
    num_folds = min(folds.num_folds, len(np.unique(groups[moving])))
    strata = labelled.task.strata(whole.y)[moving]
    parts = []
    for repeat in range(folds.num_repeats):
        splitter = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed + repeat)
        for known, held in _parts(splitter, strata, groups[moving]):
            parts.append((np.concatenate([fixed, moving[known]]), moving[held]))
    return Division(whole, labelled.task, parts, Folds(num_folds, folds.num_repeats))


def cross_validate(
    train: Callable[[LabelledRows], Head],
    division: Division,
    *,
    progress: bool = False,
    with_rows: bool = True,
) -> FoldScores:
    """Train a head for each fold on all others, and predict the fold with it.

    What a training chooses, such as the epoch that is kept, is chosen on a fifth of the training part, so that no image has a say in
    the head that predicts it. `pipeline.stage_two.linear.fold_path` does the same for linear heads, from factors that all folds share.

    Args:
        train: Trains a head on the training split of the rows, and chooses on its validation split.
        division: The folds.
        progress: Show a progress bar.
        with_rows: As in `Division.score`.
    """
    outputs = []
    with progress_bar(desc="folds", total=len(division.parts), unit="fold", progress=progress) as bar:
        for rest, held in division.parts:
            outer, inner = division.inner(rest)
            splits = {"train": division.take(outer), "validation": division.take(inner)}
            head = train(LabelledRows(division.task, splits))
            outputs.append(predict_rows(head, division.take(held).X))
            bar.update()
    return division.score(outputs, with_rows=with_rows)


def _parts(splitter: Any, strata: NDArray[np.int64], groups: NDArray[np.int64]) -> Any:
    """Positions to train on and to predict; a warning on classes with fewer images than folds is no news here."""
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class")
        return list(splitter.split(np.zeros(len(strata)), strata, groups))


def together(labelled: LabelledRows) -> Split:
    """Training and validation images as one split, without views."""
    parts = [labelled.splits[name] for name in ("train", "validation") if name in labelled.splits]
    arrays = [part.X for part in parts]
    if any(isinstance(rows, StoredRows) for rows in arrays):
        raise SettingError("A cross-validation needs all rows in memory. Use --pool avg, or give a larger --memory-gb.")
    names = tuple(name for part in parts for name in part.names)
    return Split(
        np.concatenate([np.asarray(rows) for rows in arrays]),
        np.concatenate([part.y for part in parts]),
        names,
        digests=tuple(digest for part in parts for digest in part.digests),
        groups=tuple(group for part in parts for group in part.groups or (None,) * len(part)),
    )


def _groups(whole: Split) -> NDArray[np.int64]:
    """A number for each image: equal for images of one group, or of one content where there is no group."""
    contents = [digest.hex() for digest in whole.digests] or list(map(str, range(len(whole))))
    names = [group or content for group, content in zip(whole.groups, contents, strict=True)]
    return np.unique(np.array(names), return_inverse=True)[1].astype(np.int64)


def _moving(task: Task, y: Targets, groups: NDArray[np.int64]) -> tuple[Positions, Positions]:
    """Rows that are always trained on, because their class has no other group, and the others."""
    is_fixed = task.only_ones(y, groups)
    if is_fixed.all():
        raise DataLayoutError(
            "A cross-validation needs two different images of a class at least. Received: one of each. Add images."
        )
    if is_fixed.any():
        alone = len(np.unique(task.strata(y)[is_fixed]))
        logger.warning(
            "%d classes have only one image each, which takes part in every training and is not predicted.", alone
        )
    return np.flatnonzero(is_fixed), np.flatnonzero(~is_fixed)
