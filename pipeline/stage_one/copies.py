"""Images of which there are several copies: each file counts for itself.

Copies share one row, which is computed from the first of them. If that file changed since it was scanned, the row is computed from the
next copy, and only the file that changed is skipped.
"""

from collections.abc import Callable
from dataclasses import replace

from pipeline.images.manifest import Manifest
from pipeline.stage_one.computing.compute import Computed
from pipeline.stage_one.missing import leave_out


def compute_with_copies(manifest: Manifest, compute: Callable[[Manifest], Computed]) -> tuple[Computed, Manifest]:
    """Compute missing rows, from another copy where one cannot be read.

    Args:
        manifest: The images.
        compute: Computes the rows that the images of a manifest lack.

    Returns:
        What was computed, and the manifest of the images that have rows; it lists the others as skipped.
    """
    done = compute(manifest)
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
        done = _joined(done, compute(manifest.select(others)), {manifest.digests[row] for row in others})
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
        noticed=first.noticed | second.noticed,
    )
