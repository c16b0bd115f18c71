"""A tuning session: choose a head, see what it does, relabel, choose again. It knows of no page.

Rows stay in memory, and the test split is never looked at. Letters: N images, K classes. Images of a split are counted
in the manifest's order.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, SettingError
from pipeline.images.manifest import Manifest
from pipeline.stage_two.dense.settings import OnEpoch
from pipeline.stage_two.metrics import Scores, score
from pipeline.stage_two.rows import Split, Task
from pipeline.stage_two.spec import LINEAR_GRIDS, parse_layers
from pipeline.tuner.choice import Choice, sizes_of
from pipeline.tuner.labels import LabelFile
from pipeline.tuner.refits import LinearRefits, Numbers, Part, predict

_SPLITS = ("train", "validation")
_CURVE_SIZES = 6


@dataclass(frozen=True)
class Answers:
    """What a head says of the images of one split."""

    rows: Numbers
    """Their rows in the manifest, (N,)."""

    y: Numbers
    """Class numbers by their labels, (N,)."""

    probabilities: NDArray[np.float32]
    """(N, K)."""

    scores: Scores
    """See `pipeline.stage_two.metrics.score`."""

    def cell(self, true: int, said: int) -> Numbers:
        """Places in these arrays of the images of a cell of the confusion matrix, the surest answers first."""
        return self._surest_first((self.y == true) & (self.probabilities.argmax(axis=1) == said))

    def mistakes(self) -> Numbers:
        """Places in these arrays of the images that the head takes for another class, the surest answers first."""
        return self._surest_first(self.probabilities.argmax(axis=1) != self.y)

    def _surest_first(self, chosen: NDArray[np.bool_]) -> Numbers:
        places = np.flatnonzero(chosen)
        return places[np.argsort(-self.probabilities[places].max(axis=1), kind="stable")]


@dataclass(frozen=True)
class Results:
    """A fitted head."""

    choice: Choice
    head: str
    """As `bottleneck head --head` takes it."""

    classes: tuple[str, ...]
    """K names."""

    num_train: int
    validation: Answers
    answer_train: Callable[[], Answers]
    seconds: float

    @cached_property
    def train(self) -> Answers:
        """What it says of the images that it was trained on."""
        return self.answer_train()


@dataclass(frozen=True)
class CurvePoint:
    """The head trained on so many images."""

    num_train: int
    train: float | None
    """Accuracy on those images; None for neighbours, each of which is its own nearest."""

    validation: float


class Session:
    """Labels that change, and heads fitted to them. Threads may share it: one works, the others wait.

    Args:
        manifest: Labelled images, all of which have rows.
        load: Pooling to the rows of the manifest's training and validation images, in its order; its labels are not used.
        labels: Where labels are kept; None: nothing can be relabelled.
        seed: Which training images a smaller set has, and the seed of heads that need one.

    Raises:
        DataLayoutError: The labels do not make a task.
    """

    def __init__(
        self, manifest: Manifest, load: Callable[[str], Task], labels: LabelFile | None = None, *, seed: int = 0
    ) -> None:
        manifest.require_task()
        self.manifest, self.labels, self.seed = manifest, labels, seed
        self.classes = manifest.classes
        self.changes: list[tuple[int, str]] = []
        """Rows that were relabelled and their labels before, oldest first."""

        self._y = manifest.label_ids(self.classes)
        splits = np.array(manifest.splits)
        self._places = {split: np.flatnonzero(splits == split) for split in _SPLITS}
        # By the labels at the start: relabelling an image moves no other one in or out of a smaller training set.
        self._order = _spread(self._y[self._places["train"]], seed)
        self._load = cache(load)
        self._linear = LinearRefits(self._load, seed)
        self._lock = threading.Lock()

    def refit(self, choice: Choice, *, on_epoch: OnEpoch | None = None) -> Results:
        """Fit a head and ask it about the validation images.

        Args:
            choice: What to fit to what.
            on_epoch: Told of each epoch of layers; what it raises ends the training.

        Raises:
            DataLayoutError: A class has no image left in the training or validation set.
            HeadSpecError: The layers cannot be understood.
        """
        with self._lock:
            start, part = time.perf_counter(), self._part(choice, choice.num_train)
            ask = self._fit_linear(choice, part) if choice.is_linear else self._fit_layers(choice, part, on_epoch)

            def answers(split: str) -> Answers:
                probabilities, y = ask(split), part.y[split]
                return Answers(
                    self._places[split][part.rows[split]], y, probabilities, score(probabilities, y, part.classes)
                )

            return Results(
                choice,
                str(choice.spec),
                part.classes,
                len(part.y["train"]),
                answers("validation"),
                lambda: answers("train"),
                time.perf_counter() - start,
            )

    def curve(self, choice: Choice) -> Iterator[CurvePoint]:
        """The linear head on training sets of growing size, the chosen one and the largest among them.

        Sizes at which a class is missing are left out.
        """
        most = self.num_available(choice)
        sizes = sizes_of(most, len(self.classes_of(choice)))[::-2][:_CURVE_SIZES]
        for size in sorted({*sizes, min(most, choice.num_train or most)}):
            with self._lock:
                point = self._curve_point(choice, size)
            if point:
                yield point

    def best_value(self, choice: Choice) -> float:
        """The regularisation that `bottleneck head` would choose: for ridge by leave-one-out, for others on validation.

        Raises:
            SettingError: Layers have no such choice.
        """
        if not choice.is_linear:
            raise SettingError("A learning rate is not chosen by itself. Move the slider.")
        with self._lock:
            part = self._part(choice, choice.num_train)
            path = self._linear.path(choice, part, LINEAR_GRIDS[choice.head][1])
        return min(path, key=lambda point: point.rank).value

    def relabel(self, row: int, label: str) -> None:
        """Give an image of the manifest another of the classes; the label file is written first.

        Raises:
            SettingError: There is no label file, or no such class.
            DataLayoutError: Another program has put another table in the file's place.
            UnwritableLabelsError: The file cannot be written; the label stays.
        """
        with self._lock:
            before = str(self.manifest.labels[row])
            if label != before:
                self._set_label(row, label)
                self.changes.append((row, before))

    def undo(self) -> None:
        """Take the last relabelling back."""
        with self._lock:
            if self.changes:
                self._set_label(*self.changes[-1])
                self.changes.pop()

    def classes_of(self, choice: Choice) -> tuple[str, ...]:
        """The classes that take part."""
        return tuple(label for label in self.classes if not choice.classes or label in choice.classes)

    def num_available(self, choice: Choice) -> int:
        """Training images of the chosen classes."""
        return int((self._class_numbers("train", self.classes_of(choice)) >= 0).sum())

    def selection(self, choice: Choice) -> Manifest:
        """What a run of this choice is trained and scored on; its test images are those of the chosen classes."""
        with self._lock:
            part, manifest = self._part(choice, choice.num_train), self.manifest
        kept = {int(row) for split in _SPLITS for row in self._places[split][part.rows[split]]}
        entries = enumerate(zip(manifest.splits, manifest.labels, strict=True))
        return manifest.select(
            [row for row, (split, label) in entries if row in kept or (split == "test" and label in part.classes)]
        )

    def _set_label(self, row: int, label: str) -> None:
        if self.labels is None:
            raise SettingError(
                f"{self.manifest.title} is no folder of photographs, beside which labels could be kept. End the tuner, and "
                "start it again with --labels FILE.csv."
            )
        if label not in self.classes:
            raise SettingError(f"A label is one of {list(self.classes)}. Received: {label!r}.")
        labels = list(self.manifest.labels)
        labels[row] = label
        self.labels.set_label(self.manifest, row, label)
        self.manifest = replace(self.manifest, labels=tuple(labels))
        self._y[row] = self.classes.index(label)

    def _part(self, choice: Choice, num_train: int | None) -> Part:
        """The images that take part.

        Raises:
            DataLayoutError: They do not make a task.
        """
        classes = self.classes_of(choice)
        y = {split: self._class_numbers(split, classes) for split in _SPLITS}
        order = self._order[y["train"][self._order] >= 0]
        rows = {"train": np.sort(order[:num_train]), "validation": np.flatnonzero(y["validation"] >= 0)}
        part = Part(classes, rows, {split: y[split][rows[split]] for split in _SPLITS})
        if len(classes) < 2:
            raise DataLayoutError(f"A head needs two classes or more. Received: {list(classes)}. Choose more of them.")
        for split in _SPLITS:
            missing = sorted(set(classes) - {classes[number] for number in np.unique(part.y[split])})
            if missing:
                raise DataLayoutError(
                    f"A head needs {split} images of each class. Received: {len(rows[split])} of {len(classes)} classes, "
                    f"none of {missing}. Leave these out, choose more images, or relabel some."
                )
        return part

    def _class_numbers(self, split: str, classes: tuple[str, ...]) -> Numbers:
        """Of all images of a split; -1 for those that do not take part."""
        numbers = np.full(len(self.classes), -1)
        numbers[[self.classes.index(label) for label in classes]] = np.arange(len(classes))
        chosen: Numbers = numbers[self._y[self._places[split]]]
        return chosen

    def _fit_linear(self, choice: Choice, part: Part) -> Callable[[str], NDArray[np.float32]]:
        head, X = self._linear.point(choice, part).head, self._linear.coordinates(choice, part)
        return lambda split: predict(head, X[split])

    def _fit_layers(self, choice: Choice, part: Part, on_epoch: OnEpoch | None) -> Callable[[str], NDArray[np.float32]]:
        from pipeline.stage_two.dense.build import fit_dense

        task = self._load(choice.pooling)
        X = {split: np.asarray(task.splits[split].X)[part.rows[split]] for split in _SPLITS}
        chosen = Task(part.classes, {split: Split(X[split], part.y[split], ()) for split in _SPLITS})
        training = replace(choice.training, seed=self.seed)
        head = fit_dense(parse_layers(choice.layers), chosen, training, on_epoch=on_epoch).head
        return lambda split: head.predict_proba(X[split])

    def _curve_point(self, choice: Choice, size: int) -> CurvePoint | None:
        try:
            part = self._part(choice, size)
        except DataLayoutError:
            return None
        point, accuracy = self._linear.point(choice, part), None
        if choice.head != "knn":
            said = predict(point.head, self._linear.coordinates(choice, part)["train"]).argmax(axis=1)
            accuracy = float((said == part.y["train"]).mean())
        return CurvePoint(size, accuracy, point.accuracy)


def _spread(y: Numbers, seed: int) -> Numbers:
    """A random order of which every beginning has the classes in nearly the shares that all images have.

    Image j of the n of its class stands at (j + 1/2) / n.
    """
    shuffled = np.random.default_rng(seed).permutation(len(y))
    place = np.empty(len(y))
    for number in np.unique(y):
        own = np.flatnonzero(y[shuffled] == number)
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return shuffled[np.argsort(place, kind="stable")]
