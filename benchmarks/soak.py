"""Start the same command over and over, each time with a limit that kills, and count the starts that never end.

A hang that comes once in a hundred starts is seen by no test that starts once. `features` starts with an empty store and an OpenVINO
conversion that is already approved: there the runtime's first calls used to be made by several threads at once, and 2 of 150
starts never ended. `predict` starts with an empty store too, `head` and `sweep` with a warm one. Weights are random: nothing here depends on their values.

    python benchmarks/soak.py [--starts 500] [--others 200] [--limit 60]
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

BASE = ["--base", "squeezenet", "--size", "64", "--weights", "random", "--engine", "openvino"]


@dataclass
class Soak:
    """What became of the starts of one command."""

    seconds: list[float] = field(default_factory=list)
    hung: int = 0
    failed: int = 0

    def start(self, command: list[str], limit: float) -> None:
        """Run the command once."""
        begin = time.perf_counter()
        try:
            done = subprocess.run(command, capture_output=True, timeout=limit, check=False)  # the limit kills
        except subprocess.TimeoutExpired:
            self.hung += 1
            return
        self.seconds.append(time.perf_counter() - begin)
        if done.returncode:
            self.failed += 1
            print(done.stderr.decode(errors="replace"), file=sys.stderr)


def make_images(folder: Path, count: int) -> None:
    """So many small images of noise, half of them brighter than the others."""
    for number in range(count):
        label = ("dark", "bright")[number % 2]
        noise = np.random.default_rng(number).integers(0, 128, (48, 64, 3)) + 100 * (number % 2)
        path = folder / label / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.astype(np.uint8)).save(path)


def soak(
    folder: Path,
    *,
    starts: int,
    others: int,
    num_images: int,
    limit: float,
    together: int = 1,
    python: str = sys.executable,
) -> dict[str, Soak]:
    """Start stage one so often, and each of the other commands.

    Args:
        folder: An empty folder to work in.
        starts: Of `features`.
        others: Of `head`, `sweep` and `predict` each.
        num_images: Of the data set.
        limit: Seconds after which a start is killed and counts as hung.
        together: So many starts of `features` run at the same time, each with an empty store of its own.
        python: The interpreter that runs `-m pipeline`.
    """
    images, cache, runs = folder / "images", folder / "cache", folder / "runs"
    make_images(images, num_images)
    program = [python, "-m", "pipeline"]
    features = [*program, "features", str(images), *BASE, "-q", "--cache"]
    # The first start converts the network and has it approved; it is not counted.
    subprocess.run([*features, str(cache)], check=True)
    warm, fresh = ["--cache", str(cache)], ["--cache", str(folder / "fresh")]

    def start_features(number: int) -> None:
        own = folder / f"fresh{number}"
        results["features"].start([*features, str(own)], limit)
        shutil.rmtree(own, ignore_errors=True)

    training = [str(images), *BASE, *warm, "--runs", str(runs)]
    commands = {
        "head": ["head", *training, "--name", "soaked", "--replace"],
        "sweep": ["sweep", *training, "--head", "ridge", "--head", "logreg:C=0.1|1", "--name", "swept", "--replace"],
        "predict": ["predict", "soaked", str(images), "--engine", "openvino", *fresh, "--runs", str(runs)],
    }
    results = {name: Soak() for name in ("features", *commands)}
    with ThreadPoolExecutor(together) as pool:
        list(pool.map(start_features, range(starts)))
    for name, command in commands.items():
        for _ in range(others):
            results[name].start([*program, *command, "-q"], limit)
            shutil.rmtree(folder / "fresh", ignore_errors=True)
    return results


def main() -> None:
    """Print how often each command was started, hung and failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=500)
    parser.add_argument("--others", type=int, default=200)
    parser.add_argument("--limit", type=float, default=60.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = soak(Path(folder), starts=given.starts, others=given.others, num_images=80, limit=given.limit)
    for name, result in results.items():
        median = statistics.median(result.seconds) if result.seconds else float("nan")
        num = len(result.seconds) + result.hung
        print(f"{name:10} {num:5} starts, {result.hung} hung, {result.failed} failed; {median:.2f} s each (median)")
    print(json.dumps({name: vars(result) | {"seconds": len(result.seconds)} for name, result in results.items()}))
    sys.exit(any(result.hung or result.failed for result in results.values()))


if __name__ == "__main__":
    main()
