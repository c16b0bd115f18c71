"""Forgetting an image in a process of its own, which kills itself at one of its steps.

    python -m tests.faults.forgetting IMAGE CACHE RUNS STEP

A step is a commit of a shard, the end of its removal, a run that takes its place, or the table of file hashes; the process dies before the
one of that number.
"""

import sys
from pathlib import Path

import pipeline
from pipeline.cache import forget
from pipeline.images.files import hash_table
from pipeline.runs import folder
from tests.faults.steps import killing_before


def main() -> None:
    """Everything else is as it always is."""
    image, cache, runs, last = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    counted = killing_before(last)
    forget.commit_shard = counted(forget.commit_shard)
    forget.sync_folder = counted(forget.sync_folder)
    folder.put = counted(folder.put)
    hash_table.replacing = counted(hash_table.replacing)
    pipeline.forget_images(image, cache, runs=runs, with_runs=True, yes=True, progress=False)


if __name__ == "__main__":
    main()
