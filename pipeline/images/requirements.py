"""What a data set needs for a training: labels, and for each kind of task what they have to be like.

Each check gets the labelled images and raises DataLayoutError, with what was received and what to do.
"""

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from pipeline.errors import DataLayoutError
from pipeline.images.labels import check_classes, listed
from pipeline.images.manifest import Manifest


def require_task(manifest: Manifest) -> Manifest:
    """The labelled images, if a head can be trained on them; those without a label are in `skipped`.

    A class may be missing from validation and test.

    Raises:
        DataLayoutError: There are no labels, several columns that are a question each, or labels that make no task.
    """
    if manifest.questions:
        raise DataLayoutError(
            f"The columns {listed(list(map(repr, manifest.questions)))} are a question each. Choose one of them with --label; `head` and "
            "`sweep` train a head for each. Numbers of one task: --task regression."
        )
    unlabelled = {row: "no label" for row, label in enumerate(manifest.labels) if label is None}
    hint = _skipped_hint(manifest)
    if len(unlabelled) == len(manifest):
        raise DataLayoutError(f"None of the {len(manifest)} images has a label. {label_cure(manifest)}{hint}")
    labelled = manifest.without(unlabelled) if unlabelled else manifest
    _check_training(labelled, hint, [manifest.splits[row] for row in unlabelled].count("validation"))
    return labelled


def label_cure(manifest: Manifest) -> str:
    """A sentence on how to give labels to a data set that has none."""
    if manifest.label_choices:
        return f"Columns that could be the labels: {', '.join(map(repr, manifest.label_choices))}. Choose one with --label."
    return (
        "A head needs labels: put the images into one folder per class (DATA/cats/1.jpg), or give a table with the columns "
        f"path and label, or an .npz file with the arrays x and y; in Python (images, labels).{_annotation_hint(manifest)}"
    )


def _annotation_hint(manifest: Manifest) -> str:
    """A sentence on files with the labels of one image each, as YOLO, Pascal VOC and WebDataset have them; empty if there are none."""
    kinds = (".txt", ".xml", ".cls", ".json")
    many = [entry for entry in manifest.ignored if entry.kind in kinds and 2 * entry.count >= len(manifest)]
    if not many:
        return ""
    return f" If the {many[0].count:,} {many[0].kind} files are annotations (YOLO, Pascal VOC, WebDataset), export them as COCO, or as a table."


def _skipped_hint(manifest: Manifest) -> str:
    """Sentences about what was skipped or not read, which may be what is missing; empty if nothing was."""
    kinds = "".join(
        f" Not read: {entry.count:,} {entry.kind} ({entry.reason})." for entry in manifest.ignored if entry.reason
    )
    if not manifest.skipped:
        return kinds
    first = manifest.skipped[0]
    return f" {len(manifest.skipped):,} were skipped, the first: {first.path} ({first.reason}).{kinds}"


def _check_training(labelled: Manifest, hint: str, num_validation: int) -> None:
    """Raise DataLayoutError if a head cannot be trained on these images, which have labels.

    Args:
        labelled: The images.
        hint: Ends the message.
        num_validation: Validation images without a label.
    """
    task = labelled.task
    _BEFORE[task.kind](labelled, hint)
    if "train" not in labelled.splits:
        raise DataLayoutError(
            f"There is no training image with a label: all {len(labelled)} labelled images are for validation or test. Add training "
            "images, or split by percentages: give the folder below the split folder, or use --ignore-column for the split column of a table."
        )
    _IN_TRAINING[task.kind](labelled, hint)
    if "validation" not in labelled.splits and num_validation and labelled.split_rule is None:
        raise DataLayoutError(
            f"None of the {num_validation} validation images has a label ({len(labelled)} other images{_of(labelled)}). Sort them into class "
            "folders as the training images are, give a table with their labels, or leave them out with --ignore-column, and validation images "
            "are taken from training."
        )
    if "validation" not in labelled.splits:
        distinct = len(set(labelled.digests))
        same = f", {distinct} of the images different" if distinct < len(labelled) else ""
        raise DataLayoutError(
            f"There is no validation image with a label ({len(labelled)} images{_of(labelled)}{same}; each class keeps at "
            "least one for training). Add images, or choose a split with a share of validation, such as --split 80/10/10."
        )


def _of(labelled: Manifest) -> str:
    return f" of {len(labelled.classes)} classes" if labelled.task.kind == "classification" else ""


def _check_classes(labelled: Manifest, hint: str) -> None:
    """Two classes or more, whose names are those of classes."""
    if len(labelled.classes) < 2:
        raise DataLayoutError(
            f"A head needs at least two classes. Received: {list(labelled.classes)}. Use one folder per class "
            f"(DATA/cats, DATA/dogs) or choose another label column with --label.{hint}"
        )
    if labelled.kind is None:
        check_classes([str(label) for label in labelled.labels], are_fields=labelled.label_column is not None)


def _check_class_images(labelled: Manifest, hint: str) -> None:
    """A training image of each class, and classes that are not single images."""
    _check_each_trained(labelled, hint)
    if len(labelled.classes) == len(labelled) > 2:
        raise DataLayoutError(
            f"Each of the {len(labelled)} images has a label of its own (such as {labelled.classes[0]!r}), so there is nothing to learn from "
            "the others. Add images, or choose another label column with --label."
        )


def _check_labels(labelled: Manifest, hint: str) -> None:
    """One label or more."""
    if not labelled.classes:
        raise DataLayoutError(
            f"No image has any label, so there is nothing to learn. Choose another label column with --label.{hint}"
        )


def _check_each_trained(labelled: Manifest, hint: str) -> None:
    missing = labelled.classes_without("train")
    if missing:
        one, many = labelled.task.nouns
        raise DataLayoutError(
            f"The train split has no image of {listed([repr(name) for name in missing])} ({len(missing)} of "
            f"{len(labelled.classes)} {many}). A head cannot learn a {one} without training images: add some, "
            f"or remove the {one}.{hint}"
        )


def _check_numbers(labelled: Manifest, hint: str) -> None:
    """Different numbers of each column among the training images."""
    del hint
    train = labelled.split("train")
    y = labelled.task.encode([str(label) for label in train.labels])
    for name, column in zip(labelled.classes, y.T, strict=True):
        if len(np.unique(column[np.isfinite(column)])) < 2:
            received = Counter(str(label) for label in train.labels).most_common(1)[0][0]
            raise DataLayoutError(
                f"The training images have fewer than two different numbers in {name!r} (such as {received!r}), so there is nothing to learn. "
                "Choose another label column with --label, or other splits."
            )


def _no_check(labelled: Manifest, hint: str) -> None:
    del labelled, hint


_Check = Callable[[Manifest, str], None]
_BEFORE: Mapping[str, _Check] = {
    "classification": _check_classes,
    "multilabel": _check_labels,
    "regression": _no_check,
}
_IN_TRAINING: Mapping[str, _Check] = {
    "classification": _check_class_images,
    "multilabel": _check_each_trained,
    "regression": _check_numbers,
}
