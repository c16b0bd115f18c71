"""Heads on rows that differ in one setting, compared on the same validation images: what the studies of settings share."""

from collections.abc import Mapping
from pathlib import Path

from scipy.stats import binomtest

import pipeline
from pipeline.images.manifest import Manifest

HEADS = ("ridge", "logreg")
Right = Mapping[str, bool]
"""Whether each validation image was labelled rightly, by its path."""


def some_of(manifest: Manifest, num_train: int, num_validation: int | None = None) -> Manifest:
    """The first training and validation images of each class; all validation images if no number is given."""
    limits = {"train": num_train, "validation": len(manifest) if num_validation is None else num_validation}
    chosen, taken = [], dict.fromkeys(((split, name) for split in limits for name in manifest.classes), 0)
    for row, place in enumerate(zip(manifest.splits, manifest.labels, strict=True)):
        limit = limits.get(place[0] or "", 0) / len(manifest.classes)
        if place in taken and taken[place] < limit:
            taken[place] += 1
            chosen.append(row)
    return manifest.select(chosen)


def labelled_rightly(manifest: Manifest, head: str, out: Path, name: str, **features: object) -> Right:
    """Train a head on rows of these settings, and look at each of its validation predictions."""
    return rightly(
        pipeline.fit(manifest, head, cache=out / "cache", runs=out / "runs", name=name, plots=False, **features)
    )


def rightly(run: pipeline.Run) -> Right:
    """Each of a run's validation predictions."""
    rows = [row for row in run.folder.predictions() if row["split"] == "validation"]
    return {row["path"]: row["label"] == row["predicted"] for row in rows}


def accuracy(right: Right) -> float:
    return sum(right.values()) / len(right)


def against(right: Right, reference: Right) -> tuple[int, int, float]:
    """Images gained and lost against a reference, and the p-value of McNemar's exact test, which looks at those images only."""
    gained = sum(is_right and not reference[path] for path, is_right in right.items())
    lost = sum(reference[path] and not is_right for path, is_right in right.items())
    return gained, lost, binomtest(gained, gained + lost).pvalue if gained + lost else 1.0


def compared(right: Right, reference: Right) -> str:
    """A cell of a table: the accuracy, and how it differs from the reference's."""
    gained, lost, p = against(right, reference)
    return f"{accuracy(right):.3f} (+{gained} -{lost}, p = {p:.3f})"
