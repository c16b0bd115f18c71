"""Tables that have a row for each label of an image, as Open Images does: an image with three labels is in three rows."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pipeline.images.answers import is_yes_or_no
from pipeline.images.labels import listed, natural_key
from pipeline.images.sources.columns import Columns
from pipeline.tasks.multilabel import NOTHING, SEPARATOR, UNKNOWN, parts_of


def join_rows(columns: Columns, others: Mapping[str, Sequence[str | None]]) -> tuple[Columns, list[int]]:
    """The images of N rows with all of their labels, and the first row of each; the same columns unless several labels are asked for.

    Rows of one image with different splits or groups stay apart, and those of a table with a column for each label.

    Args:
        columns: N rows.
        others: The columns of the table that are not used, (N,) each. One of 1 and 0 may say that a label is not there.
    """
    answers = columns.answers
    groups = columns.groups or [None] * len(columns.names)
    rows_of: dict[tuple[str | None, ...], list[int]] = defaultdict(list)
    for row, key in enumerate(zip(columns.names, columns.splits, groups, strict=True)):
        rows_of[key].append(row)
    if answers.kind != "multilabel" or answers.names or len(rows_of) == len(columns.names):
        return columns, list(range(len(columns.names)))
    kept = [rows[0] for rows in rows_of.values()]
    joined = replace(answers, labels=tuple(_union([answers.labels[row] for row in rows]) for rows in rows_of.values()))
    return replace(
        columns,
        names=[columns.names[row] for row in kept],
        answers=joined,
        splits=[columns.splits[row] for row in kept],
        groups=None if columns.groups is None else [columns.groups[row] for row in kept],
        warnings=[*columns.warnings, _note(len(columns.names), len(kept), others)],
    ), kept


def _union(labels: Sequence[str | None]) -> str | None:
    """All labels of an image. One that is unknown in a row and given in another is given."""
    known = [label for label in labels if label is not None]
    parts = {part for label in known for part in parts_of(label)}
    left = {part for part in parts if not (part.startswith(UNKNOWN) and part[1:] in parts)}
    return (SEPARATOR.join(sorted(left, key=natural_key)) or NOTHING) if known else None


def _note(num_rows: int, num_images: int, others: Mapping[str, Sequence[str | None]]) -> str:
    flags = [repr(name) for name, values in others.items() if is_yes_or_no(values) and len(set(values)) > 1]
    doubt = f" If no in {listed(flags)} means that the label is not there, remove these rows." if flags else ""
    return f"The table has several rows for some images: the labels of {num_rows:,} rows are those of {num_images:,} images.{doubt}"
