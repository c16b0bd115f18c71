"""Images of which there are several copies: each file counts for itself.

Copies share one row, which is computed from the first of them. If that file changed since it was scanned, the row is computed from the
next copy, and only the file that changed is skipped.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.images.manifest import Manifest
from pipeline.stage_one.computing.compute import Computed, Item
from pipeline.stage_one.missing import leave_out

Compute = Callable[[Manifest, Sequence[Item]], Computed]
"""Computes rows of a manifest."""

Missing = Callable[[Manifest], Sequence[Item]]
"""The rows that a manifest's images lack."""


def compute_with_copies(manifest: Manifest, missing: Missing, compute: Compute) -> tuple[Computed, Manifest]:
    """Compute missing rows, from another copy where one cannot be read.

    Args:
        manifest: The images.
        missing: Lists the rows that are missing.
        compute: Computes them.

    Returns:
        What was computed, and the manifest of the images that have rows; it lists the others as skipped.
    """
    done = compute(manifest, missing(manifest))
    failed: dict[int, str] = {}
    while True:
        rows: dict[bytes, list[int]] = {digest: [] for digest in done.unread}
        for row, digest in enumerate(manifest.digests):
            if digest in rows and row not in failed:
                rows[digest].append(row)
        failed |= {copies[0]: done.unread[digest] for digest, copies in rows.items() if copies}
        others = sorted(row for copies in rows.values() for row in copies[1:])
        if not others:
            break
        part = manifest.select(others)
        done = _joined(done, compute(part, missing(part)), {manifest.digests[row] for row in others})
    return done, leave_out(manifest.without(failed), done.left_out)


def _joined(first: Computed, second: Computed, tried: set[bytes]) -> Computed:
    """Both together; images that the second one tried again are unread only if they are so there."""
    unread = {digest: reason for digest, reason in first.unread.items() if digest not in tried}
    return replace(
        first,
        num_rows=first.num_rows + second.num_rows,
        skipped=first.skipped | second.skipped,
        unread=unread | second.unread,
        engine=first.engine or second.engine,
        judged=first.judged | second.judged,
    )
