"""Weights of classes: how much an image counts in a training, by its class."""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import replace

from pipeline.errors import SettingError
from pipeline.images.manifest import Manifest
from pipeline.stage_two.rows import LabelledRows
from pipeline.tasks.targets import Double, Targets
from pipeline.tasks.task import Task

logger = logging.getLogger(__name__)

BALANCED, NONE = "balanced", "none"

WARN_FROM = 10
"""The largest class has so many times as many training images as the smallest one: a warning names `--class-weight`."""


def class_weight_text(given: str | Mapping[str, float] | None) -> str | None:
    """The one text of a setting: `balanced`, or weights by class as JSON; None for `none`.

    Args:
        given: `balanced`, `none`, `cats=2,dogs=1`, JSON, a mapping, or None.

    Raises:
        SettingError: It is neither of these, or a weight is not a number above 0.
    """
    if given is None or given in (NONE, BALANCED):
        return None if given != BALANCED else BALANCED
    try:
        pairs = _pairs(given) if isinstance(given, str) else dict(given)
        weights = {str(name): float(value) for name, value in pairs.items()}
    except (ValueError, TypeError, AttributeError):
        weights = {}
    if not weights or not all(0 < value < math.inf for value in weights.values()):
        raise SettingError(
            f"Class weights are {BALANCED}, {NONE}, or numbers above 0 by class: cats=2,dogs=1 or JSON. Received: {given!r}."
        )
    return json.dumps(weights, sort_keys=True, ensure_ascii=False)


def _pairs(text: str) -> dict[str, float]:
    """Weights by class of JSON, or of `cats=2,dogs=1`."""
    if text.lstrip().startswith("{"):
        return dict(json.loads(text))
    pairs = [part.rpartition("=") for part in text.split(",")]
    return {name.strip(): float(value) for name, _, value in pairs}


def image_weights(task: Task, y: Targets, class_weight: str) -> Double:
    """How much each image counts, (N,), mean 1.

    Args:
        task: What is asked.
        y: Targets of the training images.
        class_weight: A text of `class_weight_text`.

    Raises:
        SettingError: The task has no classes, or a class is not one of its own.
    """
    return task.image_weights(y, None if class_weight == BALANCED else json.loads(class_weight))


def weighted(labelled: LabelledRows, class_weight: str | None) -> LabelledRows:
    """The same rows, the training split with these weights; unchanged for None."""
    if class_weight is None:
        return labelled
    train = labelled.train
    weights = image_weights(labelled.task, train.y, class_weight)
    return replace(labelled, splits={**labelled.splits, "train": replace(train, weights=weights)})


def check_balance(manifest: Manifest, class_weight: str | None) -> None:
    """Check the weights before anything is computed; without any, warn of classes that are far from equally large.

    Args:
        manifest: Labelled images.
        class_weight: As in `weighted`.

    Raises:
        SettingError: As in `image_weights`.
    """
    task = manifest.task
    labels = zip(manifest.labels, manifest.splits, strict=True)
    y = task.encode([str(label) for label, split in labels if split == "train"])
    if class_weight is not None:
        image_weights(task, y, class_weight)
        return
    counts = task.class_counts(y)
    if not counts:
        return
    (large, most), (small, fewest) = max(counts.items(), key=_number), min(counts.items(), key=_number)
    if fewest and most >= WARN_FROM * fewest:
        logger.warning(
            "The training classes are imbalanced: %s has %s images and %s has %s. A head may neglect small classes: compare the balanced "
            "accuracy and the recall of each class. --class-weight balanced makes all classes count the same.",
            *(large, f"{most:,}", small, f"{fewest:,}"),
        )


def _number(pair: tuple[str, int]) -> int:
    return pair[1]
