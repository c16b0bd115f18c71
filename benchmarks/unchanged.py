"""`features` on 60,000 images that are there already, against hashing all their bytes again.

The images are made: BMP files of noise, 300 kB each as a photograph of 1,024 px has, in ten class folders, run through SqueezeNet
at 32 px once (its weights are random: speed alone counts). Before that, a sixtieth, a sixth and all of them from scratch: whether a
further image costs the same, when the start of the process is paid. It takes 18 GB on the disk.

    python benchmarks/unchanged.py [--images 60000] [--side 316] [--folder scratch]
"""

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _turns import in_turns, ratio, say
from PIL import Image

from pipeline.images.files.hashing import sha256_file


def make_images(folder: Path, count: int, side: int) -> list[Path]:
    """Noise, no two alike."""
    rng = np.random.default_rng(0)
    header = io.BytesIO()
    Image.new("RGB", (side, side)).save(header, "BMP")
    size = len(header.getvalue())
    files = []
    for number in range(count):
        file = folder / f"class{number % 10}" / f"{number:06d}.bmp"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(header.getvalue()[:54] + rng.bytes(size - 54))
        files.append(file)
    return files


def link(files: list[Path], root: Path, folder: Path) -> Path:
    """The same files under another root, without their bytes."""
    for file in files:
        target = folder / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, target)
    return folder


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
    parser.add_argument("--side", type=int, default=316, help="of an image, in px; it has 3 bytes a pixel")
    parser.add_argument("--folder", type=Path, help="where there is room for them")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        photos = Path(scratch, "photos")
        files = make_images(photos, given.images, given.side)
        spent = {}
        for count in (given.images // 60, given.images // 6, given.images):
            part = link(files[:count], photos, Path(scratch, str(count)))
            done = features(part, Path(scratch, f"cache{count}"))
            spent[count] = done["process"]
            print(f"{count:7} images: {spent[count]:.1f} s, {1000 * spent[count] / count:.2f} ms each", flush=True)
        whole, cache = Path(scratch, str(given.images)), Path(scratch, f"cache{given.images}")

        def hash_all() -> None:
            for file in files:
                sha256_file(file)

        time.sleep(2.5)  # files younger than that are hashed again, in case they are still being written
        features(whole, cache)
        seconds = in_turns(
            {"hashing all bytes": hash_all, "features again": lambda: features(whole, cache)["process"]}, given.repeats
        )
    few, more, most = spent
    further = ((spent[more] - spent[few]) / (more - few), (spent[most] - spent[more]) / (most - more))
    say(
        f"{given.images} unchanged images",
        seconds,
        {
            "again against hashing": (ratio(seconds, "hashing all bytes", "features again"), 10.0),
            "10 s against again": (10 / sorted(seconds["features again"])[len(seconds["features again"]) // 2], 1.0),
            f"a further image beyond {few} against one beyond {more}": (further[0] / further[1], 0.9),
        },
        seconds_from_scratch=spent,
    )


if __name__ == "__main__":
    main()
