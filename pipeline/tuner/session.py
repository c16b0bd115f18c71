"""A tuning session: heads fitted to choices, and labels that change. It knows nothing of the page.

Rows stay in memory, and the test split is never read. Letters: N images, K classes, labels or columns. The images of a split are numbered in the
manifest's order.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, SettingError
from pipeline.images.manifest import Manifest
from pipeline.images.requirements import require_task
from pipeline.insight.checked import checked_mask
from pipeline.insight.findings import Shown
from pipeline.stage_two.dense.settings import OnEpoch
from pipeline.stage_two.head import Head
from pipeline.stage_two.linear.regularisation import choose_best
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import LINEAR_GRIDS, parse_layers
from pipeline.tasks.scores import Scores
from pipeline.tasks.targets import Outputs, Targets
from pipeline.tasks.task import Task
from pipeline.tuner.checked import Change, CheckedFile, checking
from pipeline.tuner.choice import Choice, sizes_of, spread
from pipeline.tuner.grids import Grids
from pipeline.tuner.labels import LabelFile
from pipeline.tuner.questions import question_of
from pipeline.tuner.refits import LinearRefits, Numbers, Part, predict_linear
from pipeline.tuner.strange import distances_by_row
from pipeline.tuner.suspects import Insight, Suspects

_SPLITS = ("train", "validation")
_CURVE_SIZES = 6
_SEED = 0
"""Of heads that need one, and of the choice of images in smaller training sets."""

_Fitted = tuple[Callable[[str], Outputs], Callable[[], Head]]
"""Outputs by split, and what makes the head that takes rows as they are stored."""


@dataclass(frozen=True)
class SplitPredictions:
    """A head's predictions for the images of one split."""

    rows: Numbers
    """Their rows in the manifest, (N,)."""

    y: Targets
    """Their targets, (N,) or (N, K)."""

    outputs: Outputs
    """(N, K)."""

    task: Task
    """What is asked, with what was chosen on validation."""

    scores: Scores

    @cached_property
    def decided(self) -> Targets:
        """The targets that are predicted, (N,) or (N, K)."""
        return self.task.decide(self.outputs)

    def mistakes(self) -> Numbers:
        """Indices of the images with a wrong prediction, the worst first; of numbers all that are known."""
        wrong = self.task.wrongness(self.outputs, self.y)
        indices = np.flatnonzero(np.isfinite(wrong))
        return indices[np.argsort(-wrong[indices], kind="stable")]

    def among(self, chosen: NDArray[np.bool_], order: NDArray[np.floating]) -> Numbers:
        """Indices of the chosen images, those with the largest numbers first."""
        indices = np.flatnonzero(chosen)
        return indices[np.argsort(-order[indices], kind="stable")]


@dataclass(frozen=True)
class Results:
    """A fitted head."""

    choice: Choice
    head: str
    """As `bottleneck head --head` takes it."""

    task: Task
    """What is asked, with what was chosen on validation."""

    num_train: int
    validation: SplitPredictions
    predict_train: Callable[[], SplitPredictions]
    """Called when the training images are shown, because nearest neighbours take long for them."""

    make_head: Callable[[], Head]
    """Called when it is asked where the head looked: it takes rows as they are stored."""

    seconds: float

    @property
    def classes(self) -> tuple[str, ...]:
        """K names."""
        return self.task.names

    @cached_property
    def train(self) -> SplitPredictions:
        """The predictions for its own training images."""
        return self.predict_train()

    @cached_property
    def on_rows(self) -> Head:
        """The head, which takes rows as they are stored."""
        return self.make_head()


@dataclass(frozen=True)
class CurvePoint:
    """The head trained on this many images."""

    num_train: int
    train: float | None
    """Accuracy on those images, share of labels that are right, or R2; None for nearest neighbours, since each image is its own nearest one."""

    validation: float


class Session:
    """Labels that change, and heads fitted to them. Threads may share it; they wait for each other.

    Args:
        manifest: Labelled images, all of which have rows.
        load: Returns the rows of the manifest's training and validation images, in its order, with this pooling; the labels of
            these rows are not used.
        labels: The label file; None: nothing can be relabelled.
        grids: Reads the grids of some of the images, for maps of where a head looked; None: there are none.

    Raises:
        DataLayoutError: The labels cannot be trained on.
    """

    def __init__(
        self,
        manifest: Manifest,
        load: Callable[[str], LabelledRows],
        labels: LabelFile | None = None,
        *,
        grids: Grids | None = None,
    ) -> None:
        require_task(manifest)
        self.manifest, self.labels, self.grids = manifest, labels, grids
        self.question = question_of(manifest.task)
        self.classes = manifest.classes
        self.changes: list[Change] = []
        """Labels that were changed or checked, oldest first."""

        self.checked = labels.checked if labels else CheckedFile(None)
        """Labels that a user has given, or taken for right."""

        self._y = manifest.targets
        splits = np.array(manifest.splits)
        self._rows = {split: np.flatnonzero(splits == split) for split in _SPLITS}
        # By the labels at the start, so that relabelling an image moves no other image in or out of a smaller training set.
        self._order = spread(self.question.task.strata(self._y[self._rows["train"]]), _SEED)
        self._load = cache(load)
        self._linear = LinearRefits(self._load, _SEED)
        rows, count = self._rows["validation"], len(manifest)
        self._distances = cache(lambda: distances_by_row(self._load("avg"), rows, count))
        self._insight = Insight(self._load, self._rows, self.question.task)
        self._lock, self._judging = threading.Lock(), threading.Lock()

    def refit(self, choice: Choice, *, on_epoch: OnEpoch | None = None) -> Results:
        """Fit a head, and predict the validation images.

        Args:
            choice: The head and its training images.
            on_epoch: Called after each epoch of a dense head; an exception from it ends the training.

        Raises:
            DataLayoutError: A class has no image left in the training or validation set.
            HeadSpecError: The text of the dense head cannot be understood.
        """
        with self._lock:
            start, part = time.perf_counter(), self._part(choice, choice.num_train)
            predict, make_head = (
                self._fit_linear(choice, part) if choice.is_linear else self._fit_dense(choice, part, on_epoch)
            )

            validation = predict("validation")
            task = part.task.settled(validation, part.y["validation"])

            def predictions(split: str, outputs: Outputs) -> SplitPredictions:
                y = part.y[split]
                rows = self._rows[split][part.rows[split]]
                return SplitPredictions(rows, y, outputs, task, task.score(outputs, y))

            return Results(
                choice=choice,
                head=str(choice.spec),
                task=task,
                num_train=len(part.y["train"]),
                validation=predictions("validation", validation),
                predict_train=lambda: predictions("train", predict("train")),
                make_head=make_head,
                seconds=time.perf_counter() - start,
            )

    def strangest(self, predictions: SplitPredictions) -> Numbers:
        """Indices of validation images, those that are farthest from all training images first."""
        with self._lock:
            distances = self._distances()[predictions.rows]
        return predictions.among(~np.isnan(distances), distances)

    def curve(self, choice: Choice) -> Iterator[CurvePoint]:
        """The linear head on training sets of growing size; the chosen size and the maximum are among them.

        Sizes at which a class is missing are left out.
        """
        max_size = self.num_available(choice)
        sizes = sizes_of(max_size, len(self.classes_of(choice)))[::-2][:_CURVE_SIZES]
        for size in sorted({*sizes, min(max_size, choice.num_train or max_size)}):
            with self._lock:
                point = self._curve_point(choice, size)
            if point:
                yield point

    def best_value(self, choice: Choice) -> float:
        """The regularisation that `bottleneck head` would choose; see `pipeline.stage_two.linear.regularisation`.

        Raises:
            SettingError: A dense head has none.
        """
        if not choice.is_linear:
            raise SettingError("There is no best value of a learning rate. Move the slider.")
        with self._lock:
            part = self._part(choice, choice.num_train)
            path = self._linear.path(choice, part, LINEAR_GRIDS[choice.head][1])
        return choose_best(path).value

    def relabel(self, row: int, label: str) -> None:
        """Change the label of an image to another class; the label file is written first.

        Raises:
            SettingError: There is no label file, or no such class.
            DataLayoutError: The label file was replaced by another table.
            UnwritableLabelsError: The file cannot be written; the label stays.
        """
        with self._lock:
            before = str(self.manifest.labels[row])
            if label != before:
                self._set_label(row, label)
                self.changes.append(Change(row, before, is_new=checking(self._check, row)))

    def check(self, row: int) -> None:
        """Take the label of an image for right: it is no suspect under this label any more.

        Raises:
            DataLayoutError: The file of checked labels is another table.
            UnwritableLabelsError: That file cannot be written; the label is as it was.
        """
        if self._check(row):
            self.changes.append(Change(row, None, is_new=True))

    def uncheck(self, row: int) -> None:
        """Let the label of an image be a suspect again. Errors are those of `check`."""
        self._uncheck(row)
        self.changes = [one for one in self.changes if one[:2] != (row, None)]

    def undo(self) -> int | None:
        """Undo the last change; returns the row of its image, or None without a change."""
        if self.changes and self.changes[-1].before is None:
            self._uncheck(self.changes[-1].row)
            return self.changes.pop().row
        with self._lock:
            return self._undo_label()

    def suspects(self, choice: Choice, count: int, *, of_checked: bool = False) -> Suspects:
        """The training and validation images whose label may be wrong, whatever classes and number of images are chosen.

        Args:
            choice: Its pooling is used.
            count: How many to describe in full.
            of_checked: Those that were checked, instead of those that were not.

        Raises:
            DataLayoutError: All images are in one group, or the file of checked labels is another table.
            SettingError: The images do not have one class each.
        """
        # A lock of its own: a dense head may train meanwhile.
        with self._judging:
            y, checked = self._y.copy(), checked_mask(self.checked.labels, self.manifest.digests, self.manifest.labels)
            return self._insight.rank(choice.pooling, y, checked, count, self.shown, of_checked=of_checked)

    def alike(self, choice: Choice, row: int) -> Sequence[tuple[int, float]]:
        """The training and validation images with the highest cosine to one of them, and their cosines."""
        with self._judging:
            return self._insight.alike(choice.pooling, row)

    def shown(self, row: int) -> Shown:
        """A row of the manifest as an image."""
        return Shown(self.manifest.names[row], self.manifest.splits[row], str(self.manifest.labels[row]), row)

    def classes_of(self, choice: Choice) -> tuple[str, ...]:
        """The classes that take part."""
        return tuple(label for label in self.classes if not choice.classes or label in choice.classes)

    def num_available(self, choice: Choice) -> int:
        """Training images of the chosen classes."""
        return int(self._members("train", self.classes_of(choice)).sum())

    def selection(self, choice: Choice) -> Manifest:
        """The images that a run of this choice is trained and scored on; its test images are those of the chosen classes."""
        with self._lock:
            part, manifest = self._part(choice, choice.num_train), self.manifest
        kept = {int(row) for split in _SPLITS for row in self._rows[split][part.rows[split]]}
        entries = enumerate(zip(manifest.splits, manifest.labels, strict=True))
        return manifest.select(
            [row for row, (split, label) in entries if row in kept or (split == "test" and part.task.knows(str(label)))]
        )

    def _undo_label(self) -> int | None:
        if not self.changes:
            return None
        row, before, is_new = self.changes[-1]
        label = str(self.manifest.labels[row])
        self._set_label(row, str(before))
        self.changes.pop()
        if is_new:
            checking(self.checked.remove, self.manifest.digests[row], label)
        return row

    def _check(self, row: int) -> bool:
        manifest = self.manifest
        return self.checked.add(manifest.digests[row], str(manifest.labels[row]), manifest.names[row])

    def _uncheck(self, row: int) -> None:
        self.checked.remove(self.manifest.digests[row], str(self.manifest.labels[row]))

    def _set_label(self, row: int, label: str) -> None:
        if self.labels is None:
            raise SettingError(
                f"{self.manifest.title} is not an image folder, so there is no label file beside it. End the tuner, and "
                "start it again with --labels FILE.csv."
            )
        self.question.check_label(label)
        labels = list(self.manifest.labels)
        labels[row] = label
        self.labels.set_label(self.manifest, row, label)
        self.manifest = replace(self.manifest, labels=tuple(labels))
        self._y[row] = self.question.task.encode([label])[0]

    def _part(self, choice: Choice, num_train: int | None) -> Part:
        """The images that take part.

        Raises:
            DataLayoutError: They cannot be trained on.
        """
        names, question = self.classes_of(choice), self.question
        members = {split: self._members(split, names) for split in _SPLITS}
        order = self._order[members["train"][self._order]]
        rows = {"train": np.sort(order[:num_train]), "validation": np.flatnonzero(members["validation"])}
        y = {split: question.targets(self._y[self._rows[split][rows[split]]], names) for split in _SPLITS}
        part = Part(question.narrowed(names), rows, y)
        question.check(part.task, y)
        return part

    def _members(self, split: str, names: tuple[str, ...]) -> NDArray[np.bool_]:
        """Which images of a split take part."""
        return self.question.members(self._y[self._rows[split]], names)

    def _fit_linear(self, choice: Choice, part: Part) -> _Fitted:
        point, X = self._linear.point(choice, part), self._linear.coordinates(choice, part)
        return lambda split: predict_linear(point.head, X[split]), lambda: self._linear.on_rows(choice, part, point)

    def _fit_dense(self, choice: Choice, part: Part, on_epoch: OnEpoch | None) -> _Fitted:
        from pipeline.stage_two.dense.build import fit_dense

        labelled = self._load(choice.pooling)
        X = {split: np.asarray(labelled.splits[split].X)[part.rows[split]] for split in _SPLITS}
        chosen = LabelledRows(part.task, {split: Split(X[split], part.y[split], ()) for split in _SPLITS})
        training = replace(choice.training, seed=_SEED)
        head = fit_dense(parse_layers(choice.layers), chosen, training, on_epoch=on_epoch).head
        return lambda split: head.outputs(X[split]), lambda: head

    def _curve_point(self, choice: Choice, size: int) -> CurvePoint | None:
        try:
            part = self._part(choice, size)
        except DataLayoutError:
            return None
        point, accuracy = self._linear.point(choice, part), None
        if choice.head != "knn":
            outputs = predict_linear(point.head, self._linear.coordinates(choice, part)["train"])
            accuracy = part.task.judge(outputs, part.y["train"]).accuracy
        return CurvePoint(size, accuracy, point.accuracy)
