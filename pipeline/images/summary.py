"""What became of the files of a data set: used, skipped with reasons, ignored by kind; and the classes by split."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.images.manifest import SPLITS, Ignored, Manifest, Skipped

MAX_NAMES = 5
"""Skipped images that are named for each reason."""


@dataclass(frozen=True)
class DataSummary:
    """Counts of a manifest, for people and for JSON."""

    title: str
    splits: dict[str, int]
    """Number of images by split, without empty splits."""

    classes: dict[str, dict[str, int]]
    """Number of images by class and split."""

    num_unlabelled: int
    skipped: tuple[Skipped, ...]
    ignored: tuple[Ignored, ...]

    @classmethod
    def of(cls, manifest: Manifest) -> "DataSummary":
        """The summary of a manifest."""
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for label, split in zip(manifest.labels, manifest.splits, strict=True):
            if label is not None:
                counts[label][split] += 1
        by_split = Counter(manifest.splits)
        return cls(
            title=manifest.title,
            splits={split: by_split[split] for split in SPLITS if by_split[split]},
            classes={name: {split: counts[name][split] for split in by_split} for name in manifest.classes},
            num_unlabelled=manifest.labels.count(None),
            skipped=manifest.skipped,
            ignored=manifest.ignored,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: `classes` by class and split, `skipped` and `ignored` as lists."""
        return {
            "classes": self.classes,
            "skipped": [{"path": entry.path, "reason": entry.reason} for entry in self.skipped],
            "ignored": [
                {"kind": entry.kind, "count": entry.count, "reason": entry.reason or None} for entry in self.ignored
            ],
        }

    def as_lines(self) -> list[str]:
        """One sentence each on what is used, skipped and ignored."""
        return [self._used(), *skipped_lines(self.skipped), *self._ignored()]

    def _used(self) -> str:
        num_images = sum(self.splits.values())
        splits = ", ".join(f"{count:,} {split}" for split, count in self.splits.items())
        classes = f" in {len(self.classes):,} classes" if self.classes else ""
        unlabelled = f", {self.num_unlabelled:,} of them without label" if self.classes and self.num_unlabelled else ""
        return f"{self.title}: {_count(num_images, 'image')}{classes} ({splits}){unlabelled}."

    def _ignored(self) -> list[str]:
        if not self.ignored:
            return []
        listed = ", ".join(f"{entry.kind} {entry.count:,}" for entry in self.ignored)
        cures = [f"  {entry.kind}: {entry.reason}" for entry in self.ignored if entry.reason]
        return [f"Ignored: {listed}.", *cures]


def skipped_lines(skipped: Sequence[Skipped]) -> list[str]:
    """Skipped images by kind of reason: their number, and the first names with their full reasons."""
    if not skipped:
        return []
    kinds: dict[str, list[Skipped]] = defaultdict(list)
    for entry in skipped:
        kinds[entry.reason.partition(":")[0]].append(entry)
    lines = [f"Skipped: {_count(len(skipped), 'image')}."]
    for kind, entries in sorted(kinds.items(), key=lambda pair: -len(pair[1])):
        lines.append(f"  {len(entries):,} {kind}: {_first_names(entry.path for entry in entries)}")
    return lines


def _first_names(names: Iterable[str]) -> str:
    listed = list(names)
    rest = f" and {len(listed) - MAX_NAMES:,} more" if len(listed) > MAX_NAMES else ""
    return ", ".join(listed[:MAX_NAMES]) + rest


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
