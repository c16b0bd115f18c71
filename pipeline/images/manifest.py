"""The manifest: which images, the SHA-256 of each, its label and its split."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from pipeline.errors import DataLayoutError

SPLITS = ("train", "validation", "test")


class ImageBytes(Protocol):
    """Where the bytes of image i come from."""

    def read(self, position: int) -> bytes:
        """The encoded bytes of one image: the file as it is, or an array in `.npy` format.

        Threads call it at the same time.

        Raises:
            OSError: They cannot be had, or are damaged.
        """
        ...


@dataclass(frozen=True)
class Files:
    """Images that are files."""

    root: Path
    names: tuple[str, ...]
    """Paths below the root, or absolute ones."""

    def read(self, position: int) -> bytes:
        return (self.root / self.names[position]).read_bytes()


@dataclass(frozen=True)
class Contents:
    """Images whose bytes are at hand: those of a data frame, or such as are sent to another process."""

    contents: tuple[bytes | OSError, ...]
    """Encoded bytes, or why there are none."""

    def read(self, position: int) -> bytes:
        content = self.contents[position]
        if isinstance(content, OSError):
            raise content
        return content


@dataclass(frozen=True)
class Skipped:
    """An image that was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """N images in a fixed order. Rows of the store are found by `digests`, never by this order.

    All tuples but `skipped` have length N.
    """

    images: ImageBytes
    """The bytes, by position; positions survive `select`."""

    positions: tuple[int, ...]
    """Position of each image in `images`."""

    names: tuple[str, ...]
    """What a person calls the image: its path below the data folder, or `#17` of an array."""

    digests: tuple[bytes, ...]
    """SHA-256 of each image's encoded bytes, 32 bytes each."""

    labels: tuple[str | None, ...]
    """Class of each image, None where there is none."""

    splits: tuple[str, ...]
    """`train`, `validation` or `test` for each image."""

    skipped: tuple[Skipped, ...] = ()
    """Files that look like images and could not be read."""

    title: str = "data"
    """Short name of the data set, for run names and plots."""

    source: str | None = field(default=None, compare=False)
    """What was scanned: an absolute path, or a name such as `sklearn:digits`; None for what has neither."""

    def __post_init__(self) -> None:
        lengths = {len(self.positions), len(self.names), len(self.digests), len(self.labels), len(self.splits)}
        if lengths != {len(self.names)}:
            raise DataLayoutError(f"A manifest's columns must have one length. Received: lengths {sorted(lengths)}.")
        unknown = set(self.splits) - set(SPLITS)
        if unknown:
            raise DataLayoutError(f"A split is one of {SPLITS}. Received: {sorted(unknown)}.")

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
        """The same manifest with these rows only, in this order."""
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
        """Whether the images are files, which another process may read by itself."""
        return isinstance(self.images, Files)

    def detached(self, *, with_bytes: bool) -> "Manifest":
        """The same manifest without the images that are not in it: their files by absolute paths, or their bytes."""
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
        """The manifest without these rows, which move to `skipped` with their reasons."""
        kept = self.select([row for row in range(len(self)) if row not in skipped])
        added = tuple(Skipped(self.names[row], reason) for row, reason in sorted(skipped.items()))
        return replace(kept, skipped=self.skipped + added)

    def label_ids(self, classes: Sequence[str]) -> np.ndarray:
        """Class number of each image: int64 of shape (N,)."""
        numbers = {label: number for number, label in enumerate(classes)}
        return np.array([numbers[str(label)] for label in self.labels], dtype=np.int64)

    def duplicates_across_splits(self) -> list[list[str]]:
        """Names of byte-identical images that stand in more than one split, one list for each content."""
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
                "for each: put the images into one folder a class, or give a CSV with the columns path and label."
            )
        if len(self.classes) < 2:
            raise DataLayoutError(
                f"A head needs at least two classes. Received: {list(self.classes)}. Use one folder a class "
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
