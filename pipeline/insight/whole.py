"""All labelled images of a data set together, whatever their split.

Letters: N images, K classes, D features, M rows: N of view 0 and those of the views.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataLayoutError, SettingError
from pipeline.images.manifest import SPLITS, Manifest
from pipeline.stage_two.rows import LabelledRows, Split, StoredRows
from pipeline.tasks.task import Task

Array = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Whole:
    """Rows and classes of N images. Those of one block leave a fit together."""

    task: Task
    X: Array
    """Rows of the images as they are, followed by those of views, (M, D)."""

    y: Labels
    """Class numbers, (N,)."""

    owners: Labels
    """The image of each row, (M,); the first N are 0 to N - 1."""

    blocks: Labels
    """A number for each image, (N,), equal for images of one group, and for images with the same content."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def plain(self) -> Array:
        """Rows of the images as they are, (N, D)."""
        return self.X[: len(self)]

    @property
    def is_alone(self) -> NDArray[np.bool_]:
        """Whether all images of an image's class are in one block, (N,): nothing is left to judge its label by."""
        num_blocks = int(self.blocks.max()) + 1
        counts = np.bincount(np.unique(self.y * num_blocks + self.blocks) // num_blocks, minlength=self.y.max() + 1)
        alone: NDArray[np.bool_] = counts[self.y] < 2
        return alone

    def as_rows(self) -> LabelledRows:
        """All of them as training images, views too."""
        names = tuple(map(str, self.owners))
        return LabelledRows(self.task, {"train": Split(self.X, self.y[self.owners], names)})


def whole_of(labelled: LabelledRows) -> Whole:
    """The images of all splits, in the order train, validation, test, with their views.

    Raises:
        SettingError: The rows do not fit into memory, or the images do not have a class each.
        DataLayoutError: All images are in one group.
    """
    check_task(labelled.task)
    parts = [labelled.splits[name] for name in SPLITS if name in labelled.splits]
    starts = np.cumsum([0, *map(len, parts)])
    rows = [(_flat(part.X), np.arange(start, start + len(part))) for part, start in zip(parts, starts, strict=False)]
    for part, start in zip(parts, starts, strict=False):
        rows += [(_flat(view), np.arange(start, start + len(part))) for view in part.views]
    blocks = _blocks(parts)
    if len(np.unique(blocks)) < 2:
        raise DataLayoutError(
            "All images are in one group, so none can be judged without its own group. Leave the groups out with --ignore-column."
        )
    return Whole(
        labelled.task,
        np.concatenate([part for part, _ in rows]),
        np.concatenate([part.y for part in parts]),
        np.concatenate([owners for _, owners in rows]),
        blocks,
    )


def check_task(task: Task) -> None:
    """Check that each image has one class.

    Raises:
        SettingError: The task is another one.
    """
    if not task.is_exclusive:
        raise SettingError(
            f"Labels are judged where each image has one class. Received: --task {task.kind}. "
            "Choose a label column of classes with --label."
        )


def in_order(manifest: Manifest) -> Manifest:
    """A manifest in the order of `whole_of`."""
    return manifest.select([row for name in SPLITS for row, split in enumerate(manifest.splits) if split == name])


def _flat(rows: object) -> Array:
    if isinstance(rows, StoredRows):
        raise SettingError(
            f"The rows take {rows.nbytes / 1e9:.1f} GB of memory, and {rows.memory_bytes / 1e9:.1f} GB are allowed. "
            "Use --pool avg, or give a larger --memory-gb."
        )
    array = np.asarray(rows, np.float32)
    return array.reshape(len(array), -1)


def _blocks(parts: list[Split]) -> Labels:
    """Blocks of images: those that share a group or their content, directly or through others, are in one."""
    keys = [
        (group, digest)
        for part in parts
        for group, digest in zip(part.groups or (None,) * len(part), part.digests or (None,) * len(part), strict=True)
    ]
    firsts: dict[tuple[str, object], int] = {}
    parents = list(range(len(keys)))

    def root(image: int) -> int:
        while parents[image] != image:
            parents[image] = image = parents[parents[image]]
        return image

    for image, (group, digest) in enumerate(keys):
        for key in (("group", group), ("content", digest)):
            if key[1] is not None:
                parents[root(image)] = root(firsts.setdefault(key, image))
    return np.unique([root(image) for image in range(len(keys))], return_inverse=True)[1].astype(np.int64)
