"""All runs of a folder: those with comparable scores together, the best first."""

import html
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import DamagedStoreError
from pipeline.html import show_table
from pipeline.images.augment import text_of
from pipeline.runs.folder import RunFolder
from pipeline.runs.info import RunInfo

logger = logging.getLogger(__name__)

FAULTS = (
    DamagedStoreError,
    OSError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What files of a run with content of other types raise when they are shown."""


@dataclass(frozen=True)
class RunGroup:
    """Runs on the same images with the same labels and splits, the best first by the main score on validation, then by loss."""

    runs: Sequence[RunFolder]

    digest: str = ""
    """Beginning of the digest of images, labels and splits, if another group would have the same heading without it."""

    @property
    def heading(self) -> str:
        """What the runs have in common: data, label column, split, classes and number of validation images."""
        info, scores = self.runs[0].info, self.runs[0].scores["validation"]
        _, several = self.runs[0].task.nouns
        parts = [
            info.data,
            f"label column {info.label_column}" if info.label_column else "",
            f"split {info.split_rule}" if info.split_rule else "",
            f"{len(info.classes):,} {several}" if len(info.classes) > 1 else "",
            "" if scores.main_name == "accuracy" else f"ranked by {scores.main_words}",
            f"{scores.n:,} validation images",
            f"digest {self.digest}" if self.digest else "",
        ]
        return ", ".join(part for part in parts if part)

    def as_rows(self) -> list[dict[str, Any]]:
        """One row per run, for a table."""
        return [row_of(run) for run in self.runs]


class RunList(list[RunFolder]):
    """All finished runs of a folder, sorted by name. A notebook shows one table per group of comparable runs."""

    def groups(self) -> list[RunGroup]:
        """The runs by data, largest group first. A run whose files cannot be read is left out, with a warning."""
        return name_groups(group_runs(readable(self)))

    def __repr__(self) -> str:
        return f"<RunList of {len(self)} run{'s' * (len(self) != 1)}: {', '.join(run.name for run in self[:8])}{', ...' * (len(self) > 8)}>"

    def _repr_html_(self) -> str:
        """One table per group."""
        tables = [show_table(group.as_rows(), caption=group.heading) for group in self.groups()]
        return "".join(tables) or f"<p>{html.escape('No runs yet.')}</p>"


def list_runs(runs: Path) -> RunList:
    """All finished runs, sorted by name. Unfinished runs are in folders whose names start with a dot."""
    return RunList(RunFolder(path.parent) for path in sorted(runs.glob("[!.]*/run.json")))


def row_of(run: RunFolder) -> dict[str, Any]:
    """What tells a run from others: how it was made, and its accuracies."""
    info, scores = run.info, run.scores
    return {
        "run": run.name,
        "kind": kind_of(info),
        "base": info.recipe["base"],
        "size": info.recipe.get("decoder", {}).get("size_px"),
        "head": info.head,
        "pool": info.head_pool,
        "augmentation": augmentation_of(info),
        "validation": scores["validation"].main,
        "test": scores["test"].main if "test" in scores else None,
        "seconds": info.seconds,
    }


def kind_of(info: RunInfo) -> str:
    """`head` (on cached features), `end to end`, or `fine-tuned from LAYER`."""
    if info.first_trained_layer:
        return f"fine-tuned from {info.first_trained_layer}"
    return "end to end" if info.regime else "head"


def augmentation_of(info: RunInfo) -> str:
    """How training images were augmented: `none`, `standard, live`, or `standard, 4 views`."""
    if info.views:
        tta = " + TTA" if info.views.get("tta") else ""
        count = info.views["count"]
        return f"{info.views['augmentation']}, {count} view{'s' * (count != 1)}{tta}"
    return f"{text_of(info.augmentation)}, live" if info.augmentation else "none"


def rank(runs: Iterable[RunFolder]) -> list[RunFolder]:
    """Best main score on validation first, then the smaller loss."""

    def worst_last(run: RunFolder) -> tuple[float, float, str]:
        scores = run.scores["validation"]
        return -scores.main, scores.loss, run.name

    return sorted(runs, key=worst_last)


def group_runs(runs: Iterable[RunFolder]) -> list[list[RunFolder]]:
    """Runs by the data that they were evaluated on and by task, each group ranked, the largest group first.

    Groups that ask other questions of the same data, such as other label columns, are neighbours.

    Scores are comparable on the same images with the same labels and splits, whatever the features. So runs are grouped by
    `data_digest`, and not by `task_digest`, which also differs between bases and cuts. Older runs have only a `task_digest`.
    """
    groups: dict[tuple[str, str], list[RunFolder]] = {}
    for run in rank(runs):
        groups.setdefault((_digest_of(run.info), run.scores["validation"].main_name), []).append(run)
    return _with_neighbours(sorted(groups.values(), key=len, reverse=True))


def _digest_of(info: RunInfo) -> str:
    return str(info.data_digest or info.task_digest or info.data)


def name_groups(groups: Iterable[Sequence[RunFolder]]) -> list[RunGroup]:
    """The groups with headings that differ: labels that were corrected, and images that were added, keep all else of a heading."""
    named = [RunGroup(runs) for runs in groups]
    count = Counter(group.heading for group in named)
    return [
        replace(group, digest=_digest_of(group.runs[0].info)[:8]) if count[group.heading] > 1 else group
        for group in named
    ]


def _with_neighbours(groups: Sequence[list[RunFolder]]) -> list[list[RunFolder]]:
    """The groups in their order, and behind each those that ask something else of the same data."""
    together: dict[tuple[str | None, ...], list[list[RunFolder]]] = {}
    for runs in groups:
        info = runs[0].info
        together.setdefault((info.data, info.source, info.root), []).append(runs)
    return [runs for part in together.values() for runs in part]


def readable(runs: Iterable[RunFolder]) -> list[RunFolder]:
    """The runs whose files can be read; a warning names each of the others."""
    return [run for run in runs if _is_readable(run)]


def _is_readable(run: RunFolder) -> bool:
    """Whether a run can be listed; otherwise a warning names it and the reason."""
    try:
        RunGroup([run]).as_rows()
        _ = RunGroup([run]).heading, rank([run])
    except FAULTS as error:
        logger.warning("The run %s is left out, because its files cannot be read: %s", run.name, error)
        return False
    return True
