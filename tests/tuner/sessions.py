"""Sessions on synthetic tasks."""

import hashlib

from pipeline.images.manifest import Contents, Manifest
from pipeline.stage_two.rows import LabelledRows
from pipeline.tuner.session import Session
from tests.stage_two.tasks import make_task

HARD = {"distance": 1.3, "shape": (8,)}
"""Overlapping clouds, so that heads make mistakes."""


def manifest_of(task):
    """Images without bytes, with the labels and splits of a task."""
    rows = [
        (name, task.task.text(target), split)
        for split, part in task.splits.items()
        for name, target in zip(part.names, part.y, strict=True)
    ]
    names, labels, splits = zip(*rows, strict=True)
    return Manifest(
        images=Contents(()),
        positions=tuple(range(len(rows))),
        names=names,
        digests=tuple(hashlib.sha256(name.encode()).digest() for name in names),
        labels=labels,
        splits=splits,
        kind=task.task.kind,
        target_names=task.task.column_names,
    )


def make_session(labels=None, **settings):
    """A session with the rows of `make_task` for any pooling, and the task. The session has no test rows."""
    return session_of(make_task(**(HARD | settings)), labels)


def session_of(task, labels=None):
    """A session with the rows of a task, and the task."""
    tuned = LabelledRows(task.task, {split: task.splits[split] for split in ("train", "validation")})
    return Session(manifest_of(task), lambda _: tuned, labels), task
