"""Merging the shards of a store in a process of its own, which kills itself at one of its steps.

    python -m tests.faults.merging FOLDER STEP

A step is a commit of a merged shard or the removal of a small one; the process dies before the one of that number.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.cache import compact
from pipeline.cache.store import Store
from tests.faults.child import SHARD_ROWS


def main() -> None:
    """Shards of three times as many rows as stage one made."""
    folder, last = Path(sys.argv[1]), int(sys.argv[2])
    compact.FULL_ROWS = 3 * SHARD_ROWS
    steps = itertools.count()
    unlink = Path.unlink

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **settings: Any) -> Any:
            if next(steps) == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **settings)

        return called

    def remove(path: Path, *, missing_ok: bool = False) -> None:
        # Hidden files are unfinished ones, or the lock.
        is_shard = path.suffix == ".h5" and not path.name.startswith(".")
        (counted(unlink) if is_shard else unlink)(path, missing_ok=missing_ok)

    compact.commit_shard = counted(compact.commit_shard)
    Path.unlink = remove  # type: ignore[method-assign]
    compact.compact(Store.open(folder))


if __name__ == "__main__":
    main()
