"""What became of the files of a data set: used, skipped with reasons, ignored by kind; and the classes by split."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Self

from pipeline.html import show_table
from pipeline.tasks.kinds import CLASSIFICATION, task_of

MAX_NAMES = 5
"""Skipped images that are named for each kind of reason."""

MAX_CLASSES = 10
"""Classes whose counts are listed in a line of text."""

MAX_ROWS = 20
"""Classes that a table in a notebook has."""

USES = ("classes", "skipped", "ignored")
"""Names in the JSON of every command that uses labelled images."""


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
class ImageUse:
    """What became of the files of a data set; of those of a manifest, `Manifest.use`."""

    classes: Mapping[str, Mapping[str, int]]
    """Number of images by class, label or column of numbers, and split."""

    skipped: Sequence[Skipped]
    ignored: Sequence[Ignored]
    num_unlabelled: int = 0
    """Images that are used and have no label."""

    task: str = CLASSIFICATION
    """Kind of the task."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "classes": {name: dict(counts) for name, counts in self.classes.items()},
            "unlabelled": self.num_unlabelled,
            "task": self.task,
            "skipped": [{"path": entry.path, "reason": entry.reason} for entry in self.skipped],
            "ignored": [
                {"kind": entry.kind, "count": entry.count, "reason": entry.reason or None} for entry in self.ignored
            ],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The result of `as_dict`, among other values."""
        return cls(
            values["classes"],
            [Skipped(entry["path"], entry["reason"]) for entry in values["skipped"]],
            [Ignored(entry["kind"], entry["count"], entry["reason"] or "") for entry in values["ignored"]],
            values.get("unlabelled", 0),
            values.get("task") or CLASSIFICATION,
        )

    def as_lines(self) -> list[str]:
        """Lines of text: images by class and without one, skipped images by kind of reason, ignored files by kind."""
        return [*self._class_line(), *self._unlabelled_line(), *self._skipped_lines(), *self._ignored_lines()]

    def as_html(self, caption: str) -> str:
        """For notebooks: a table of the first classes, and the lines on what was left out."""
        rows = [
            {task_of(self.task, ()).nouns[0]: name, **counts} for name, counts in list(self.classes.items())[:MAX_ROWS]
        ]
        more = (
            [f"and {len(self.classes) - MAX_ROWS:,} more {task_of(self.task, ()).nouns[1]}"]
            if len(self.classes) > MAX_ROWS
            else []
        )
        lines = [*more, *self._skipped_lines(), *self._ignored_lines()]
        table = show_table(rows, caption=caption) if rows else f"<p>{escape(caption)}</p>"
        return table + "".join(f"<p>{escape(line)}</p>" for line in lines)

    def _class_line(self) -> list[str]:
        if not self.classes:
            return []
        splits = next(iter(self.classes.values()))
        title = task_of(self.task, ()).nouns[1].capitalize()
        if len(self.classes) > MAX_CLASSES:
            counts = [of["train"] for of in self.classes.values()] if "train" in splits else []
            bounds = " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)})) if counts else ""
            images = f", {bounds} training images each" if counts else ""
            return [f"{title}: {len(self.classes):,}{images}"]
        listed = "; ".join(
            f"{name} {', '.join(f'{of[split]:,}' for split in splits)}" for name, of in self.classes.items()
        )
        return [f"{title} ({', '.join(splits)}): {listed}"]

    def _unlabelled_line(self) -> list[str]:
        count = self.num_unlabelled if self.classes else 0
        return [f"Without a label: {count:,} image{'s' * (count > 1)}, which training skips"] if count else []

    def _skipped_lines(self) -> list[str]:
        if not self.skipped:
            return []
        kinds: dict[str, list[Skipped]] = defaultdict(list)
        for entry in self.skipped:
            kinds[entry.reason.partition(":")[0]].append(entry)
        ranked = sorted(kinds.items(), key=lambda pair: -len(pair[1]))
        lines = [f"  {len(entries):,} {kind}: {_first(entry.path for entry in entries)}" for kind, entries in ranked]
        return [f"Skipped: {len(self.skipped):,} image{'s' * (len(self.skipped) > 1)}", *lines]

    def _ignored_lines(self) -> list[str]:
        if not self.ignored:
            return []
        listed = ", ".join(f"{entry.kind} {entry.count:,}" for entry in self.ignored)
        return [f"Ignored: {listed}", *(f"  {entry.kind}: {entry.reason}" for entry in self.ignored if entry.reason)]


def unread_kinds(ignored: Iterable[Ignored]) -> list[str]:
    """Kinds of files that could be meant as images and are not read, with their counts and the cures: what `--strict` refuses."""
    return [f"{entry.count:,} {entry.kind}: {entry.reason}" for entry in ignored if entry.reason]


def _first(names: Iterable[str]) -> str:
    listed = list(names)
    rest = f" and {len(listed) - MAX_NAMES:,} more (--json lists all)" if len(listed) > MAX_NAMES else ""
    return ", ".join(listed[:MAX_NAMES]) + rest
