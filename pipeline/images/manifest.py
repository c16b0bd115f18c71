"""The manifest: which images, the SHA-256 of each, its label and its split."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from pipeline.errors import DataLayoutError, UnreadableImageError
from pipeline.images.decoding.decoder import MAX_BYTES
from pipeline.images.labels import check_classes, listed
from pipeline.tasks.classification import Classification
from pipeline.tasks.task import Task

SPLITS = ("train", "validation", "test")


def natural_key(text: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """A sorting key by which `class2` comes before `class10`: runs of digits 0 to 9 count as numbers, which come before letters."""
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    # Numbers are compared by length, then as text: `int` refuses thousands of digits.
    digits = (part.lstrip("0") if part[0] in "0123456789" else None for part in parts)
    key = tuple(
        (1, 0, part) if number is None else (0, len(number), number) for part, number in zip(parts, digits, strict=True)
    )
    return key, text  # texts such as `1` and `01` have equal numbers


class ImageBytes(Protocol):
    """A source of the encoded bytes of images."""

    def read(self, position: int) -> bytes:
        """The encoded bytes of one image: the content of a file, or an array in `.npy` format.

        Several threads call it at the same time.

        Raises:
            OSError: The bytes cannot be read, or are damaged.
        """
        ...


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
        if path.stat().st_size > MAX_BYTES or not path.is_file():
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
class Skipped:
    """An image that was skipped, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Ignored:
    """Files of one kind that are not images of the data set, such as `.txt` or `system folders`."""

    kind: str
    count: int
    reason: str = ""
    """Why they are not read and what to do about it; empty for files that nobody expects to be read."""


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
    """Class of each image; None if it has none."""

    splits: tuple[str, ...]
    """`train`, `validation` or `test` for each image."""

    groups: tuple[str | None, ...] = ()
    """Group of each image, such as a patient; empty if the data has no groups."""

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

    split_rule: str | None = field(default=None, compare=False)
    """Percentages and seed that the splits were drawn with, such as `80/10/10, seed 0`; None if the data sets its splits."""

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

    @property
    def classes(self) -> tuple[str, ...]:
        """The distinct labels, sorted as people count (`2` before `10`): class k of every head is `classes[k]`."""
        return tuple(sorted({label for label in self.labels if label is not None}, key=natural_key))

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
    def task(self) -> Task:
        """What is asked of its rows."""
        return Classification(self.classes)

    def label_ids(self, classes: Sequence[str]) -> np.ndarray:
        """Class number of each image: int64 of shape (N,)."""
        numbers = {label: number for number, label in enumerate(classes)}
        return np.array([numbers[str(label)] for label in self.labels], dtype=np.int64)

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
        """Classes that have no image in a split."""
        present = {label for label, name in zip(self.labels, self.splits, strict=True) if name == split}
        return tuple(label for label in self.classes if label not in present)

    def __repr__(self) -> str:
        """Counts: the names of a million images are no help."""
        counts = ", ".join(f"{self.splits.count(split):,} {split}" for split in SPLITS if split in self.splits)
        return f"<Manifest of {len(self):,} images ({counts}), {len(self.classes):,} classes, {len(self.skipped):,} skipped>"

    def _repr_html_(self) -> str:
        """For notebooks: the number of images by class and split, and what was left out."""
        from pipeline.images.summary import ImageUse

        return ImageUse.of(self).as_html(f"{self.title}: {len(self):,} images, {len(self.classes):,} classes")

    def require_task(self) -> "Manifest":
        """The labelled images, if a head can be trained on them; those without a label are in `skipped`.

        A class may be missing from validation and test.

        Raises:
            DataLayoutError: There are no labels, fewer than two classes, a class without a training image, or no validation
                image; or the labels look like measured values or like several labels in one field.
        """
        unlabelled = {row: "no label" for row, label in enumerate(self.labels) if label is None}
        if len(unlabelled) == len(self):
            raise DataLayoutError(f"None of the {len(self)} images has a label. {self.label_cure}{self._skipped_hint}")
        labelled = self.without(unlabelled) if unlabelled else self
        if len(self.classes) < 2:
            raise DataLayoutError(
                f"A head needs at least two classes. Received: {list(self.classes)}. Use one folder per class "
                f"(DATA/cats, DATA/dogs) or choose another label column with --label.{self._skipped_hint}"
            )
        check_classes([str(label) for label in labelled.labels], are_fields=self.label_column is not None)
        if "train" not in labelled.splits:
            raise DataLayoutError(
                f"There is no training image with a label: all {len(labelled)} labelled images are for validation or test. Add training "
                "images, or split by percentages: give the folder below the split folder, or use --ignore-column for the split column of a table."
            )
        missing = labelled.classes_without("train")
        if missing:
            raise DataLayoutError(
                f"The train split has no image of {listed([repr(label) for label in missing])} ({len(missing)} of "
                f"{len(self.classes)} classes). A head cannot learn a class without training images: add some, or remove the class."
                f"{self._skipped_hint}"
            )
        if len(self.classes) == len(labelled) > 2:
            raise DataLayoutError(
                f"Each of the {len(labelled)} images has a label of its own (such as {self.classes[0]!r}), so there is nothing to learn from "
                "the others. Add images, or choose another label column with --label."
            )
        if "validation" not in labelled.splits:
            distinct = len(set(labelled.digests))
            same = f", {distinct} of the images different" if distinct < len(labelled) else ""
            raise DataLayoutError(
                f"There is no validation image with a label ({len(labelled)} images of {len(self.classes)} classes{same}; each class keeps at "
                "least one for training). Add images, or choose a split with a share of validation, such as --split 80/10/10."
            )
        return labelled

    @property
    def _skipped_hint(self) -> str:
        """Sentences about what was skipped or not read, which may be what is missing; empty if nothing was."""
        kinds = "".join(
            f" Not read: {entry.count:,} {entry.kind} ({entry.reason})." for entry in self.ignored if entry.reason
        )
        if not self.skipped:
            return kinds
        first = self.skipped[0]
        return f" {len(self.skipped):,} were skipped, the first: {first.path} ({first.reason}).{kinds}"

    @property
    def label_cure(self) -> str:
        """A sentence on how to give labels to a data set that has none."""
        if self.label_choices:
            return f"Columns that could be the labels: {', '.join(map(repr, self.label_choices))}. Choose one with --label."
        return (
            "A head needs labels: put the images into one folder per class (DATA/cats/1.jpg), or give a table with the columns "
            "path and label, or an .npz file with the arrays x and y."
        )
