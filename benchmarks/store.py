"""How small is a store, and how fast is it read, against the raw array?

The rows of real photographs (VGG16 at 150 px, float32), all of them decoded, against `np.load` of the same array from the
page cache. Made rows would not do: how well they shrink is the question.

    python benchmarks/store.py --data photos [--repeats 5]
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from _turns import in_turns, ratio, say

import pipeline
from pipeline.cache.store import Store


def main() -> None:
    """Bytes once, reading in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"))
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    if not given.data or not Path(given.data).is_dir():
        print("store: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    done = pipeline.extract(given.data, size=150, cache=given.cache, progress=True)
    keys, recipe = done.keys(), done.store.recipe
    rows = done.store.read(keys)
    stored = sum(path.stat().st_size for path in done.store.shard_paths()) / len(done.store) * len(keys)
    with tempfile.TemporaryDirectory() as scratch:
        raw = Path(scratch, "rows.npy")
        np.save(raw, rows)
        opened = Store(given.cache, recipe)
        opened.has(keys)
        seconds = in_turns(
            {
                "np.load": lambda: np.load(raw).sum(),
                "store, opened": lambda: opened.read(keys).sum(),
                "store, from its files": lambda: Store(given.cache, recipe).read(keys).sum(),
            },
            given.repeats,
        )
    say(
        f"{len(keys)} rows of {rows.shape[1:]}",
        seconds,
        {
            "raw bytes against stored (at most 0.35 of them)": (rows.nbytes / stored, 1 / 0.35),
            "speed of reading against np.load": (ratio(seconds, "np.load", "store, opened"), 0.25),
        },
        stored_bytes=stored,
        raw_bytes=rows.nbytes,
    )


if __name__ == "__main__":
    main()
