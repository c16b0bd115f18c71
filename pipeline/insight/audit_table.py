"""The table of an audit: one row for each finding, of all kinds."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.cells import as_cell
from pipeline.errors import SettingError
from pipeline.insight.findings import Copies, Findings, Stranger, Suspect
from pipeline.runs.tables import write_table

COLUMNS = ("kind", "path", "split", "label", "likely", "probability", "others", "value", "advice")
"""`others`: paths of neighbours or copies, separated by `|`. `value`: cosine of a near duplicate, or distance of a strange image."""


def check_table(path: Path) -> None:
    """Check that the table beside a page replaces nothing but that of an earlier audit, since the user did not name it.

    Raises:
        SettingError: It is another file, such as the labels that are audited.
    """
    if not os.path.lexists(path):
        return
    begins = ",".join(COLUMNS)
    with contextlib.suppress(OSError, ValueError), path.open(encoding="utf-8") as file:
        if file.read(len(begins)) == begins:
            return
    raise SettingError(
        f"An audit also writes its findings to {path}. That file exists, and no audit wrote it. Choose another --out, or move the file away."
    )


def write_audit_table(path: Path, found: Findings) -> None:
    """Write the table as CSV; texts that a spreadsheet would run as formulas begin with an apostrophe.

    Args:
        path: The file.
        found: What its rows are of: a label each, a copy or near copy each, a strange image each.
    """
    rows = [
        *_labels((*found.labels, *found.checked)),
        *_copies("conflict", found.conflicts),
        *_copies("duplicate", found.duplicates),
        *_strange(found.strange),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(path, COLUMNS, [[as_cell(value) for value in row] for row in rows])


def _labels(labels: Iterable[Suspect]) -> Iterator[Sequence[Any]]:
    for suspect in labels:
        image = suspect.image
        others = "|".join(neighbour.image.path for neighbour in suspect.neighbours)
        given = f"{suspect.probability:.6g}"
        yield (
            "checked" if suspect.is_checked else "label",
            image.path,
            image.split,
            image.label,
            suspect.likely,
            given,
            others,
            "",
            suspect.advice,
        )


def _copies(kind: str, found: Iterable[Copies]) -> Iterator[Sequence[Any]]:
    for copies in found:
        cosine = "" if copies.cosine is None else f"{copies.cosine:.4f}"
        what = kind if copies.cosine is None else f"near {kind}"
        for image in copies.images:
            others = "|".join(other.path for other in copies.images if other is not image)
            yield what, image.path, image.split, image.label, "", "", others, cosine, copies.advice


def _strange(strange: Iterable[Stranger]) -> Iterator[Sequence[Any]]:
    for stranger in strange:
        image = stranger.image
        yield "strange", image.path, image.split, image.label, "", "", "", f"{stranger.distance:.4f}", stranger.advice
