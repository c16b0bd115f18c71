"""`cache forget` of one image, then of twenty, in a store of 4,000 rows of (4, 4, 512): rows as a ReLU makes them, four zeros in five.

python benchmarks/forget.py [--rows 4000] [--turns 3]
"""

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np

import pipeline
from pipeline.bases.table import Preprocessing
from pipeline.cache.recipe import Recipe
from pipeline.cache.shard import FULL_ROWS
from pipeline.cache.store import Store, row_keys
from pipeline.images.decoding.decoder import Decoder

RECIPE = Recipe("vgg16", Decoder(150), Preprocessing("native", "BGR"), "ab" * 32, "block5_pool")


def fill(store: Store, digests: list[bytes]) -> None:
    """Full shards of made rows."""
    rng = np.random.default_rng(0)
    for start in range(0, len(digests), FULL_ROWS):
        part = digests[start : start + FULL_ROWS]
        rows = np.maximum(rng.normal(-0.84, 1, (len(part), 4, 4, 512)), 0).astype(np.float32)
        store.append(row_keys(part), rows, {"engine": "made"})


def measure(cache: Path, images: list[str]) -> dict[str, object]:
    """Seconds to find out and to do it, and rows that were written anew."""
    seen = pipeline.forget_images(images, cache, runs=cache / "runs", progress=False)
    done = pipeline.forget_images(images, cache, runs=cache / "runs", yes=True, progress=False)
    written = sum(shard.kept for store in done.stores for shard in store.shards)
    return {
        "images": len(images),
        "seconds to show": round(seen.seconds, 2),
        "seconds": round(done.seconds, 2),
        "rows written anew": written,
        "MB looked through": round(done.traces.bytes / 1e6),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--turns", type=int, default=3)
    given = parser.parse_args()
    digests = [hashlib.sha256(str(number).encode()).digest() for number in range(given.rows)]
    for _ in range(given.turns):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder, "cache")
            fill(Store(cache, RECIPE), digests)
            one, twenty = digests[given.rows // 3], digests[:: given.rows // 20][:20]
            for images in ([one], twenty):
                print(json.dumps(measure(cache, [digest.hex() for digest in images])), flush=True)


if __name__ == "__main__":
    main()
