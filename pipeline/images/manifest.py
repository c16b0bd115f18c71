"""The manifest: which images, the SHA-256 of each, its label and its split."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from pipeline.errors import DataLayoutError, UnreadableImageError
from pipeline.images.decode import MAX_BYTES

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

    All tuples except `skipped` have length N.
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

    skipped: tuple[Skipped, ...] = ()
    """Files that look like images and could not be read."""

    ignored: tuple[Ignored, ...] = ()
    """Files beside the images, by kind."""

    warnings: tuple[str, ...] = ()
    """What the user should know about the data: a sentence each."""

    title: str = "data"
    """Short name of the data set, for run names and plots."""

    source: str | None = field(default=None, compare=False)
    """The scanned data: an absolute path, or a name such as `sklearn:digits`; None for data without a name."""

    def __post_init__(self) -> None:
        lengths = {len(self.positions), len(self.names), len(self.digests), len(self.labels), len(self.splits)}
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
        """The distinct labels, sorted: class k of every head is `classes[k]`."""
        return tuple(sorted({label for label in self.labels if label is not None}))

    def select(self, rows: Sequence[int]) -> "Manifest":
        """A manifest of these rows only, in this order."""
        return replace(
            self,
            positions=tuple(self.positions[row] for row in rows),
            names=tuple(self.names[row] for row in rows),
            digests=tuple(self.digests[row] for row in rows),
            labels=tuple(self.labels[row] for row in rows),
            splits=tuple(self.splits[row] for row in rows),
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

    def require_task(self) -> None:
        """Check that a head can be trained on this manifest.

        Raises:
            DataLayoutError: Labels are missing, there are fewer than two classes, or a class has
                no image in the training or validation split.
        """
        unlabelled = [name for name, label in zip(self.names, self.labels, strict=True) if label is None]
        if unlabelled:
            raise DataLayoutError(
                f"{len(unlabelled)} of {len(self)} images have no label (the first: {unlabelled[0]!r}). A head needs one "
                "for each: put the images into one folder per class, or give a CSV with the columns path and label."
            )
        if len(self.classes) < 2:
            raise DataLayoutError(
                f"A head needs at least two classes. Received: {list(self.classes)}. Use one folder per class "
                "(DATA/cats, DATA/dogs) or choose another label column with --label."
            )
        counts = Counter(zip(self.splits, self.labels, strict=True))
        present = {split for split, _ in counts} | {"train", "validation"}
        for split in SPLITS:
            missing = [label for label in self.classes if not counts[split, label]]
            if split in present and missing:
                raise DataLayoutError(
                    f"The {split} split has no image of {missing}. Add images of it, or choose another split with "
                    "--split (for example 70/15/15), --split-seed, or a split column in a CSV."
                )
