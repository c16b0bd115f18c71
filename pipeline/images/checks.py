"""What a user should know about the labels and splits of a data set, as sentences."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from pipeline.images.labels import counted, listed, measured_values, placeholders, spellings
from pipeline.images.manifest import SPLITS, Manifest

FEW_IMAGES = 30
"""With fewer validation images than this, the 95 % interval of an accuracy of 90 % is wider than 20 points."""

PROVES_NOTHING = 10
"""With fewer validation images than this, no score means anything."""


def with_warnings(manifest: Manifest) -> Manifest:
    """The manifest with a warning for everything about its labels and splits that may be a mistake."""
    found = (*_label_warnings(manifest), *_split_warnings(manifest), *_duplicate_warnings(manifest))
    return replace(manifest, warnings=(*manifest.warnings, *found))


def _label_warnings(manifest: Manifest) -> Iterator[str]:
    names = [name for names in manifest.label_names() for name in names]
    for group in spellings(names):
        yield f"Labels that may mean one class are different classes: {counted(group)}. Give them one spelling if they are one class."
    if missing := placeholders(names):
        yield (
            f"Classes whose names may mean that there is no label: {counted(missing)}. If so, leave these labels empty, and training "
            "skips the images."
        )
    if manifest.kind is None and measured_values(names) == "perhaps":
        yield (
            f"The labels are {len(manifest.classes)} different numbers. Each number is a class of its own; to predict numbers: --task "
            "regression."
        )
    conflicts = manifest.conflicting_labels()
    if conflicts:
        is_listed = manifest.kind is None and len(set(manifest.names)) < len(manifest)
        several = " If an image may have several labels: --task multilabel." if is_listed else ""
        yield (
            f"{len(conflicts):,} image{'s have' if len(conflicts) > 1 else ' has'} more than one label: the same bytes are listed under each "
            f"of them. The first: {listed(conflicts[0])}. Remove the wrong ones; --strict makes this an error.{several}"
        )


def _split_warnings(manifest: Manifest) -> Iterator[str]:
    """Warnings for data from which a head can be trained; other data has other problems first."""
    labelled = [label is not None for label in manifest.labels]
    counts = Counter(split for split, known in zip(manifest.splits, labelled, strict=True) if known)
    if len(manifest.classes) < manifest.task.least_names or not counts["train"] or not counts["validation"]:
        return
    for split in SPLITS[1:]:
        missing = manifest.classes_without(split) if counts[split] else ()
        if missing:
            yield (
                f"{manifest.task.nouns[1].capitalize()} without a {split} image: {listed(missing)} ({len(missing)} of {len(manifest.classes)}). "
                f"The {split} scores say nothing about them."
            )
    if not counts["test"] and "test" in manifest.splits:
        yield f"The {manifest.splits.count('test'):,} test images have no label, so there are no test scores."
    num_validation = counts["validation"]
    if num_validation < PROVES_NOTHING:
        images = f"{num_validation} validation image{'s' * (num_validation > 1)}"
        yield f"Only {images}: scores on so few images prove nothing. Add images, or cross-validate: `head --folds 5`."
    elif num_validation < FEW_IMAGES:
        cure = ", or give validation a larger share, such as --split 60/30/10" if manifest.split_rule else ""
        yield f"Only {num_validation} validation images: look at the intervals of the scores, which are wide. Add images{cure}, or cross-validate: `head --folds 5`."


def _duplicate_warnings(manifest: Manifest) -> Iterator[str]:
    found = manifest.duplicates_across_splits()
    if found:
        names = "; ".join(" = ".join(names) for names in found[:3])
        yield f"{len(found):,} image{'s are' if len(found) > 1 else ' is'} in more than one split, byte for byte, so scores may be too good: {names}"
