"""Merging the shards of a store in a process of its own, which kills itself at one of its steps.

    python -m tests.faults.merging FOLDER STEP

A step is a commit of a merged shard or the removal of a small one; the process dies before the one of that number.
"""

import sys
from pathlib import Path

from pipeline.cache import compact
from pipeline.cache.store import Store
from tests.faults.child import SHARD_ROWS
from tests.faults.steps import killing_before


def main() -> None:
    """Shards of three times as many rows as stage one made."""
    folder, last = Path(sys.argv[1]), int(sys.argv[2])
    compact.FULL_ROWS = 3 * SHARD_ROWS
    counted = killing_before(last)
    unlink = Path.unlink

    def remove(path: Path, *, missing_ok: bool = False) -> None:
        # Hidden files are unfinished ones, or the lock.
        is_shard = path.suffix == ".h5" and not path.name.startswith(".")
        (counted(unlink) if is_shard else unlink)(path, missing_ok=missing_ok)

    compact.commit_shard = counted(compact.commit_shard)
    Path.unlink = remove  # type: ignore[method-assign]
    compact.compact(Store.open(folder))


if __name__ == "__main__":
    main()
