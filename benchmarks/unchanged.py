"""`features` on 60,000 images that are there already, against hashing all their bytes again.

The images are made: 32 px PNG files of noise, in ten class folders, run through SqueezeNet once (its weights are random: speed
alone counts). Then the seconds an image of 1,000 to 60,000 images, from scratch, and whether they stay the same.

    python benchmarks/unchanged.py [--images 60000] [--folder scratch]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _turns import in_turns, ratio, say
from PIL import Image

from pipeline.images.hashing import sha256_file


def make_images(folder: Path, count: int) -> None:
    """Noise, no two alike; files that are there stay."""
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(0, 256, (32, 32, 3), np.uint8)
        file = folder / f"class{number % 10}" / f"{number:06d}.png"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)


def features(data: Path, cache: Path) -> dict[str, float]:
    """The command's own account, and the seconds of the whole process."""
    start = time.perf_counter()
    words = ["features", str(data), "--base", "squeezenet", "--size", "32", "--weights", "random", "--pool", "avg"]
    command = [sys.executable, "-m", "pipeline", *words, "--cache", str(cache), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout) | {"process": time.perf_counter() - start}


def main() -> None:
    """Growing subsets from scratch, then nothing to do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--folder", type=Path, help="keep the images here")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        photos, cache = (given.folder or Path(scratch)) / "images", Path(scratch, "cache")
        each = {}
        for count in (given.images // 60, given.images // 6, given.images):
            part = photos / str(count)
            make_images(part, count)
            done = features(part, Path(scratch, f"cache{count}"))
            each[count] = done["seconds"] / count
            print(f"{count:7} images: {1000 * each[count]:.2f} ms each, {done['process']:.1f} s the whole process")
        whole, cache = photos / str(given.images), Path(scratch, f"cache{given.images}")
        files = sorted(whole.rglob("*.png"))

        def hash_all() -> None:
            for file in files:
                sha256_file(file)

        time.sleep(2.5)  # files younger than that are hashed again, in case they are still being written
        features(whole, cache)
        seconds = in_turns(
            {"hashing all bytes": hash_all, "features again": lambda: features(whole, cache)["process"]}, given.repeats
        )
    flat = min(each.values()) / max(each.values())
    say(
        f"{given.images} unchanged images",
        seconds,
        {
            "again against hashing": (ratio(seconds, "hashing all bytes", "features again"), 10.0),
            "10 s against again": (10 / sorted(seconds["features again"])[len(seconds["features again"]) // 2], 1.0),
            "least against most seconds an image": (flat, 0.9),
        },
        seconds_an_image=each,
    )


if __name__ == "__main__":
    main()
