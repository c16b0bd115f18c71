"""The columns of a data set (names, labels, splits, groups), and how they and the images' digests become a manifest."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pipeline.errors import DataLayoutError
from pipeline.images.answers import Answers, answers_of
from pipeline.images.labels import counted, listed, spellings
from pipeline.images.manifest import Contents, ImageBytes, Manifest
from pipeline.images.sources.layout import lay_out
from pipeline.images.sources.reading import Reading
from pipeline.images.sources.relations import warn_of_masks, warn_of_series
from pipeline.images.splits import complete_splits, rule_of, torn_groups
from pipeline.images.summary import Ignored, Skipped
from pipeline.tasks.kinds import names_in


@dataclass(frozen=True)
class Columns:
    """N images in the order of their positions; names, labels, splits and groups have length N."""

    names: Sequence[str]
    """Name of each image, for people."""

    answers: Answers
    """Label of each image, and the kind of the task."""

    splits: Sequence[str | None]
    """Split of each image; None if the data does not set it."""

    groups: Sequence[str | None] | None = None
    """Group of each image, such as a patient: all images of a group are in one split."""

    skipped: Sequence[Skipped] = ()
    """Images that were skipped already."""

    ignored: Sequence[Ignored] = ()
    """Files beside the images, by kind."""

    warnings: Sequence[str] = ()
    """What the user should know about the data: a sentence each."""

    label_choices: Sequence[str] = ()
    """Columns that could be the labels, if there is no label column."""

    label_column: str | None = None
    """Name of the column of the labels; None if they come from folders."""

    @classmethod
    def of_paths(cls, names: Sequence[str], reading: Reading) -> Self:
        """Labels and splits from the folders in paths: `train/cats/1.jpg`, or `cats/1.jpg`.

        Raises:
            DataLayoutError: It is not clear which folders are splits.
        """
        layout = lay_out(names, reading)
        labels = layout.labels
        answers = Answers(tuple(labels))
        if reading.task:
            answers = answers_of({"the folders": labels}, reading.task, are_fields=False)
        return cls(names, answers, layout.splits, warnings=layout.warnings)

    def check_before_fetching(self, reading: Reading, title: str) -> None:
        """Let `reading.before_fetching` look at the labels and splits."""
        if reading.before_fetching is not None:
            stand_ins = [hashlib.sha256(name.encode(errors="replace")).digest() for name in self.names]
            reading.before_fetching(self.manifest(Contents(()), stand_ins, reading, title))

    def manifest(
        self,
        images: ImageBytes,
        digests: Sequence[bytes | OSError],
        reading: Reading,
        title: str,
    ) -> Manifest:
        """The manifest of the images with a digest; the others are in `skipped`, with their reasons.

        Raises:
            DataLayoutError: The data sets the splits, and they divide a group.
        """
        good = [row for row, digest in enumerate(digests) if isinstance(digest, bytes)]
        good_digests = [digest for digest in digests if isinstance(digest, bytes)]
        unread = [
            Skipped(name, f"cannot be read: {digest.strerror or digest}")
            for name, digest in zip(self.names, digests, strict=True)
            if isinstance(digest, OSError)
        ]
        groups = None if self.groups is None else [self.groups[row] for row in good]
        answers = self.answers
        labels = [answers.labels[row] for row in good]
        given = [self.splits[row] for row in good]
        splits = group_splits(given, groups, good_digests, reading, labels, answers.kind)
        return Manifest(
            images=images,
            positions=tuple(good),
            names=tuple(self.names[row] for row in good),
            digests=tuple(good_digests),
            labels=tuple(labels),
            splits=splits,
            groups=() if groups is None else tuple(groups),
            kind=answers.kind,
            target_names=answers.names,
            questions=answers.questions,
            skipped=(*self.skipped, *unread),
            ignored=tuple(self.ignored),
            warnings=(
                *self.warnings,
                *answers.notes,
                *split_notes(given, groups, splits),
                *self._notes_on_names(given, groups),
            ),
            label_choices=tuple(self.label_choices),
            title=title,
            label_column=self.label_column,
            split_rule=rule_of(given, reading.fractions, reading.split_seed),
        )

    def _notes_on_names(self, given: Sequence[str | None], groups: Sequence[str | None] | None) -> list[str]:
        """Sentences on images that may belong together; of series only where the images are divided here."""
        series = warn_of_series(self.names, self.answers.labels) if groups is None and "validation" not in given else []
        return [*warn_of_masks(self.names), *series]


def group_splits(
    given: Sequence[str | None],
    groups: Sequence[str | None] | None,
    digests: Sequence[bytes],
    reading: Reading,
    labels: Sequence[str | None],
    kind: str | None = None,
) -> tuple[str, ...]:
    """The split of each image; all images of a group are in one.

    Args:
        given: Splits that the data sets.
        groups: Group of each image, if there are groups.
        digests: SHA-256 of each image, which decides where there is no group.
        reading: Shares and seed of the other splits.
        labels: Label of each image.
        kind: Kind of the task; None: classes.

    Raises:
        DataLayoutError: The given splits divide a group.
    """
    own = groups or [None] * len(digests)
    keys = [group.encode() if group else digest for group, digest in zip(own, digests, strict=True)]
    # Numbers have no names: all images that have some are alike.
    known = [() if label is None else names_in(kind, label) or ("",) for label in labels]
    splits = complete_splits(given, keys, reading.fractions, reading.split_seed, known)
    torn = torn_groups(own, splits)
    if torn:
        group, names = next(iter(torn.items()))
        raise DataLayoutError(
            f"The splits of the data divide {len(torn):,} groups: group {group!r} is in {' and '.join(names)}. All images of a "
            "group belong into one split. Mend the splits, or leave out one of the columns with --ignore-column: the group column "
            "to keep these splits, the split column to split the groups by percentages."
        )
    return splits


def split_notes(given: Sequence[str | None], groups: Sequence[str | None] | None, splits: Sequence[str]) -> list[str]:
    """Sentences on the splits: images without one beside others, images without a group, groups in two spellings, and too few groups.

    Args:
        given: Splits that the data sets.
        groups: Group of each image, if there are groups.
        splits: The split of each image.
    """
    known = [group for group in groups or () if group]
    found = []
    if any(given) and None in given:
        found.append(
            f"{list(given).count(None):,} of {len(given):,} images have no split, beside others that have one: they are read as training "
            "images. In a table, fill cells that were merged with the one above."
        )
    if groups and 0 < len(known) < len(groups):
        found.append(
            f"{len(groups) - len(known):,} of {len(groups):,} images have no group; each of them is split on its own."
        )
    if alike := [counted(pair) for pair in spellings(known)]:
        found.append(
            f"Groups that may be one are different groups, which may be in different splits: {listed(alike, 3)}. Give them one spelling if "
            "they are one group."
        )
    if known and not any(given) and "validation" not in splits:
        found.append(
            f"All images of a group are in one split, and there are {len(set(known)):,} groups only, so none is left for validation."
        )
    return found
