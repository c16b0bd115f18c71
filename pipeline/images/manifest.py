"""The manifest: which images, the SHA-256 of each, its label and its split."""

import hashlib
import stat
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import DataLayoutError, UnreadableImageError
from pipeline.images.decoding.decoder import MAX_BYTES
from pipeline.images.decoding.noticed import Noticed
from pipeline.images.labels import natural_key
from pipeline.images.summary import Ignored, ImageUse, Skipped
from pipeline.tasks.kinds import CLASSIFICATION, names_in, task_of
from pipeline.tasks.targets import Targets
from pipeline.tasks.task import Task

SPLITS = ("train", "validation", "test")


class ImageBytes(Protocol):
    """A source of the encoded bytes of images."""

    def read(self, position: int) -> bytes:
        """The encoded bytes of one image: the content of a file, or an array in `.npy` format.

        Several threads call it at the same time.

        Raises:
            OSError: The bytes cannot be read, or are damaged.
        """
        ...


class Scanned(Protocol):
    """Images with their digests: a manifest, or those of a bucket that have arrived by now."""

    @property
    def digests(self) -> Sequence[bytes]:
        """SHA-256 of each image, 32 bytes each."""
        ...

    def read(self, row: int) -> bytes:
        """The encoded bytes of an image; raises OSError if they cannot be read."""
        ...

    def announce(self, row: int) -> None:
        """Say that an image will be read soon."""
        ...


def announce(images: ImageBytes, position: int) -> None:
    """Say that an image will be read soon, to a source that can do something about it."""
    ahead = getattr(images, "announce", None)
    if ahead is not None:
        ahead(position)


@dataclass(frozen=True)
class Files:
    """Images that are files."""

    root: Path
    names: tuple[str, ...]
    """Paths below the root, or absolute ones."""

    def read(self, position: int) -> bytes:
        """The file's bytes.

        Raises:
            UnreadableImageError: It is larger than an image may be, or no regular file.
            OSError: It cannot be read.
        """
        path = self.root / self.names[position]
        status = path.stat()
        if status.st_size > MAX_BYTES or not stat.S_ISREG(status.st_mode):
            raise UnreadableImageError(f"not a regular file of at most {MAX_BYTES:,} bytes")
        return path.read_bytes()


@dataclass(frozen=True)
class Contents:
    """Images whose bytes are in memory: those of a data frame, or images that are sent to another process."""

    contents: tuple[bytes | OSError, ...]
    """Encoded bytes of each image, or the error that reading it raises."""

    def read(self, position: int) -> bytes:
        content = self.contents[position]
        if isinstance(content, OSError):
            raise content
        return content


@dataclass(frozen=True)
class Early:
    """What stage one computed of the images of a data set while others were fetched."""

    num_rows: int = 0
    engine: str | None = None
    seconds: float = 0.0
    """Time of fetching and computing."""

    noticed: Mapping[bytes, Noticed] = field(default_factory=dict)
    """Digests of images in whose files something was noticed."""


@dataclass(frozen=True)
class Manifest:
    """N images in a fixed order. Rows of the store are found by `digests`, never by this order.

    The tuples from `positions` to `splits` have length N, and so has `groups` if there are any.
    """

    images: ImageBytes
    """Source of the bytes, by position."""

    positions: tuple[int, ...]
    """Position of each image in `images`; `select` does not change it."""

    names: tuple[str, ...]
    """Name of each image, for people: its path below the data folder, or `#17` in an array."""

    digests: tuple[bytes, ...]
    """SHA-256 of each image's encoded bytes, 32 bytes each."""

    labels: tuple[str | None, ...]
    """Class of each image, or its labels or numbers as one text (`pipeline.tasks`); None if it has none."""

    splits: tuple[str, ...]
    """`train`, `validation` or `test` for each image."""

    groups: tuple[str | None, ...] = ()
    """Group of each image, such as a patient; empty if the data has no groups."""

    kind: str | None = None
    """Kind of the task: `classification`, `multilabel` or `regression`; None: classes, unless they look like something else."""

    target_names: tuple[str, ...] = ()
    """Names of the labels or columns of numbers, where the data names them; empty: they are those that occur."""

    questions: tuple[str, ...] = ()
    """Columns that are a question each, if the user named several; the images have no labels then."""

    skipped: tuple[Skipped, ...] = ()
    """Files that look like images and could not be read."""

    ignored: tuple[Ignored, ...] = ()
    """Files beside the images, by kind."""

    warnings: tuple[str, ...] = ()
    """What the user should know about the data: a sentence each."""

    label_choices: tuple[str, ...] = ()
    """Columns or arrays that could be the labels, where no label column was found."""

    title: str = "data"
    """Short name of the data set, for run names and plots."""

    source: str | None = field(default=None, compare=False)
    """The scanned data: an absolute path, or a name such as `sklearn:digits`; None for data without a name."""

    label_column: str | None = field(default=None, compare=False)
    """Column of a table that the labels come from; None if they come from folders or from an array."""

    rows: Mapping[str, Any] | None = field(default=None, compare=False)
    """What the rows were made with, as the manifest file says (`pipeline.stage_one.reuse.record`); None: nothing says so."""

    split_rule: str | None = field(default=None, compare=False)
    """Percentages and seed that the splits were drawn with, such as `80/10/10, seed 0`; None if the data sets its splits."""

    early: Early | None = field(default=None, compare=False)
    """Rows of these images that were computed while they were fetched, until `ensure` has counted them; None: none."""

    def __post_init__(self) -> None:
        lengths = {len(self.positions), len(self.names), len(self.digests), len(self.labels), len(self.splits)}
        lengths |= {len(self.groups)} if self.groups else set()
        if lengths != {len(self.names)}:
            raise DataLayoutError(
                f"All columns of a manifest must have the same length. Received: lengths {sorted(lengths)}."
            )
        unknown = set(self.splits) - set(SPLITS)
        if unknown:
            raise DataLayoutError(f"A split is one of {', '.join(SPLITS)}. Received: {sorted(unknown)}.")

    def __len__(self) -> int:
        return len(self.names)

    def read(self, row: int) -> bytes:
        """Encoded bytes of the image in this row of the manifest."""
        return self.images.read(self.positions[row])

    def announce(self, row: int) -> None:
        """Say that the image in this row will be read soon: where images are fetched, it is fetched meanwhile."""
        announce(self.images, self.positions[row])

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the outputs of every head, in order.

        The columns of numbers or labels that the data names, or all labels that occur, sorted as people count (`2` before `10`).
        """
        return self.target_names or tuple(
            sorted({name for names in self.label_names() for name in names}, key=natural_key)
        )

    def label_names(self) -> list[tuple[str, ...]]:
        """The names in the label of each image: its class, its labels; none for numbers, and without a label."""
        known = {label: names_in(self.kind, label) for label in dict.fromkeys(self.labels) if label is not None}
        return [() if label is None else known[label] for label in self.labels]

    @property
    def task(self) -> Task:
        """What is asked of its rows."""
        return task_of(self.kind or CLASSIFICATION, self.classes)

    def select(self, rows: Sequence[int]) -> "Manifest":
        """A manifest of these rows only, in this order."""
        return replace(
            self,
            positions=tuple(self.positions[row] for row in rows),
            names=tuple(self.names[row] for row in rows),
            digests=tuple(self.digests[row] for row in rows),
            labels=tuple(self.labels[row] for row in rows),
            splits=tuple(self.splits[row] for row in rows),
            groups=tuple(self.groups[row] for row in rows) if self.groups else (),
        )

    @property
    def is_files(self) -> bool:
        """Whether the images are files, which another process can read itself."""
        return isinstance(self.images, Files)

    def detached(self, *, with_bytes: bool) -> "Manifest":
        """The same manifest for another process, with no reference to other images.

        Args:
            with_bytes: Include the bytes of the images. Otherwise files are given by absolute paths.
        """
        if with_bytes or not isinstance(self.images, Files):
            images: ImageBytes = Contents(tuple(self._bytes_or_error(row) for row in range(len(self))))
        else:
            names = self.images.names
            images = Files(self.images.root.resolve(), tuple(names[position] for position in self.positions))
        return replace(self, images=images, positions=tuple(range(len(self))), skipped=())

    def _bytes_or_error(self, row: int) -> bytes | OSError:
        try:
            return self.read(row)
        except OSError as error:
            return error

    def split(self, name: str) -> "Manifest":
        """The rows of one split, in order."""
        return self.select([row for row, split in enumerate(self.splits) if split == name])

    def without(self, skipped: dict[int, str]) -> "Manifest":
        """The manifest without these rows; they are added to `skipped`.

        Args:
            skipped: Reasons by row.
        """
        kept = self.select([row for row in range(len(self)) if row not in skipped])
        added = tuple(Skipped(self.names[row], reason) for row, reason in sorted(skipped.items()))
        return replace(kept, skipped=self.skipped + added)

    @property
    def what(self) -> str:
        """How many classes, labels or columns there are, in words."""
        count = len(self.classes)
        return f"{count:,} {self.task.nouns[count != 1]}"

    @property
    def targets(self) -> Targets:
        """What a head learns, of all images, which have labels; see `pipeline.tasks.targets`."""
        return self.task.encode([str(label) for label in self.labels])

    def duplicates_across_splits(self) -> list[list[str]]:
        """Names of byte-identical images that are in more than one split, one list per content."""
        if len(set(self.digests)) == len(self):
            return []
        rows_by_digest: dict[bytes, list[int]] = defaultdict(list)
        for row, digest in enumerate(self.digests):
            rows_by_digest[digest].append(row)
        return [
            [f"{self.splits[row]}: {self.names[row]}" for row in rows]
            for rows in rows_by_digest.values()
            if len({self.splits[row] for row in rows}) > 1
        ]

    def conflicting_labels(self) -> list[list[str]]:
        """Images with one content and several labels: `label: name` of each, one list per content."""
        if len(set(self.digests)) == len(self):
            return []
        rows_by_digest: dict[bytes, list[int]] = defaultdict(list)
        for row, (digest, label) in enumerate(zip(self.digests, self.labels, strict=True)):
            if label is not None:
                rows_by_digest[digest].append(row)
        return [
            [f"{self.labels[row]}: {self.names[row]}" for row in rows]
            for rows in rows_by_digest.values()
            if len({self.labels[row] for row in rows}) > 1
        ]

    def classes_without(self, split: str) -> tuple[str, ...]:
        """Classes, labels or columns of numbers that have no image in a split."""
        task, own = self.task, zip(self.labels, self.splits, strict=True)
        labels = {label for label, given in own if given == split and label is not None}
        present = {name for label in labels for name in task.counts_for(label)}
        return tuple(name for name in self.classes if name not in present)

    @property
    def use(self) -> ImageUse:
        """What became of the files of the data set: images by class and split, and what was left out."""
        task = self.task
        names = {label: task.counts_for(label) for label in dict.fromkeys(self.labels) if label is not None}
        pairs = zip(self.labels, self.splits, strict=True)
        counts = Counter((name, split) for label, split in pairs if label is not None for name in names[label])
        present = set(self.splits)
        splits = [split for split in SPLITS if split in present]
        classes = {name: {split: counts[name, split] for split in splits} for name in self.classes if counts}
        return ImageUse(classes, self.skipped, self.ignored, self.labels.count(None), task.kind)

    def __repr__(self) -> str:
        """Counts: the names of a million images are no help."""
        counts = ", ".join(f"{self.splits.count(split):,} {split}" for split in SPLITS if split in self.splits)
        return f"<Manifest of {len(self):,} images ({counts}), {self.what}, {len(self.skipped):,} skipped>"

    def _repr_html_(self) -> str:
        """For notebooks: the number of images by class and split, and what was left out."""
        return self.use.as_html(f"{self.title}: {len(self):,} images, {self.what}")


def read_scanned(images: Scanned, row: int) -> bytes | str:
    """The bytes of an image as they were scanned, or the reason why they cannot be read."""
    try:
        data = images.read(row)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    is_same = hashlib.sha256(data).digest() == images.digests[row]
    return data if is_same else "changed while it was read; run the command again"
