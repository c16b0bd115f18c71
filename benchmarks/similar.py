"""How long `similar` takes among many images: a whole call in a process that is warm, its parts, and the command with its start.

Rows are made: 2,000 centres of unit normal numbers, and around each as many images as it takes, under half as much noise; 512 numbers each,
in a real store of shards of 1,024 rows, with a run that names them. The image that is asked about has a row too, so no network runs. With
the extra `index`, and more rows than are compared exactly, the first call makes the index and later ones use it: recall is the share of
the true 12 nearest among the 12 that are given, over 200 images.

    python benchmarks/similar.py [--rows 100000 1000000] [--folder scratch] [--calls 5]
"""

import argparse
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from _turns import say
from PIL import Image

import pipeline
from pipeline.bases.find import find_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.images.decoding.decoder import Decoder
from pipeline.insight import search
from pipeline.insight import similar as module
from pipeline.runs.folder import NewRun, write_predictions
from pipeline.runs.info import RunInfo
from pipeline.tasks.class_scores import score
from pipeline.tasks.classification import Classification

CENTRES, FEATURES, SHARD, ASKED = 2_000, 512, 1_024, 200
TASK = Classification(("a", "b"))


def digest_of(number: int) -> bytes:
    """The SHA-256 of an image that there is not."""
    return hashlib.sha256(f"made image {number}".encode()).digest()


def recipe_of() -> Recipe:
    """Average-pooled VGG16."""
    return Recipe(
        "vgg16", Decoder(150), find_base("vgg16").native_preprocessing, "d" * 64, "block5_pool", pooling="avg"
    )


def rows_around(centres: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Rows, each near a centre."""
    return (centres[rng.integers(0, CENTRES, count)] + rng.normal(0, 0.5, (count, FEATURES))).astype(np.float32)


def build(folder: Path, count: int) -> list[Path]:
    """A store and a run of so many images, and images to ask about, whose rows are stored too."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CENTRES, FEATURES))
    store = Store(folder / "cache", recipe_of())
    with store.adding():
        store.prepare()
        for start in range(0, count, SHARD):
            numbers = range(start, min(start + SHARD, count))
            store.append(
                row_keys([digest_of(number) for number in numbers]), rows_around(centres, len(numbers), rng), {}
            )
        images = [folder / "asked" / f"{number}.png" for number in range(ASKED)]
        digests = [draw(path, number) for number, path in enumerate(images)]
        store.append(row_keys(digests), rows_around(centres, ASKED, rng), {})
    write_run(folder / "runs", count)
    return images


def draw(path: Path, number: int) -> bytes:
    """A small image of one colour; its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 255 - number, 99)).save(stream, "png")
    path.write_bytes(stream.getvalue())
    return hashlib.sha256(stream.getvalue()).digest()


def write_run(runs: Path, count: int) -> None:
    """A run that was made with these images."""
    P = np.array([0.9, 0.1], np.float32)
    with NewRun(runs, "many", "stem") as new:
        rows = ((f"{number}.jpg", "train", "ab"[number % 2], digest_of(number), P) for number in range(count))
        write_predictions(new.path / "predictions.csv", rows, TASK)
        named = {"recipe": recipe_of().as_dict(), "classes": TASK.names, "task": TASK.as_dict(), "pool": "avg"}
        told = {"weights": "imagenet", "seconds": 1.0, "command": None, "fingerprint": "f" * 64, "data": "made"}
        info = RunInfo(head="ridge", created="2026-01-01T00:00:00+00:00", **named, **told)
        new.finish(info, {"validation": score(np.tile(P, (2, 1)), np.array([0, 1]), TASK.names)})


@contextmanager
def timed(seconds: dict[str, list[float]], name: str) -> Any:
    """Add the time that the block takes."""
    start = time.perf_counter()
    yield
    seconds.setdefault(name, []).append(time.perf_counter() - start)
    print(f"{name}: {seconds[name][-1]:.2f} s", flush=True)


def ask(folder: Path, images: list[Path] | Path) -> Any:
    """What is like these images."""
    return pipeline.similar(images, "many", cache=folder / "cache", runs=folder / "runs", progress=False)


def run_command(folder: Path, image: Path) -> None:
    """The same, by the command."""
    where = ["--cache", folder / "cache", "--runs", folder / "runs"]
    words = [sys.executable, "-m", "pipeline", "similar", image, "--in", "many", *where, "--json", "-q"]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)


def measure(folder: Path, count: int, calls: int) -> tuple[dict[str, list[float]], float]:
    """Seconds of everything, and the recall."""
    seconds: dict[str, list[float]] = {}
    images = [folder / "asked" / f"{number}.png" for number in range(ASKED)]
    if not (folder / "runs" / "many" / "run.json").exists():
        with timed(seconds, "build the store"):
            build(folder, count)
    with timed(seconds, "first call"):
        ask(folder, images[0])
    parts = watched(seconds)
    for number in range(calls):
        with timed(seconds, "whole call"):
            ask(folder, images[number])
    for name, original in parts.items():
        setattr(module, name, original)
    with timed(seconds, f"whole call, {ASKED} images"):
        ask(folder, images)
    for number in range(2):
        with timed(seconds, "the command, with its start"):
            run_command(folder, images[number])
    return seconds, recall(folder, images, seconds) if count > search.MAX_EXACT else 1.0


def recall(folder: Path, images: list[Path], seconds: dict[str, list[float]]) -> float:
    """The share of the true neighbours among those that the index finds."""
    usual = search.MAX_EXACT, search.MAX_BY_INDEX
    search.MAX_EXACT = 10**12
    with timed(seconds, "without the index, one image"):
        ask(folder, images[0])
    exact = ask(folder, images)
    search.MAX_EXACT, search.MAX_BY_INDEX = usual[0], ASKED
    found = ask(folder, images)
    search.MAX_EXACT, search.MAX_BY_INDEX = usual
    shares = [
        len({match.path for match in one.similar} & {match.path for match in true.similar}) / len(true.similar)
        for one, true in zip(found, exact, strict=True)
    ]
    return float(np.mean(shares))


def watched(seconds: dict[str, list[float]]) -> dict[str, Callable[..., Any]]:
    """Time the parts of a call; returns the functions as they were."""
    names = ("collect_run", "find_rows", "make_rows")
    originals = {name: getattr(module, name) for name in names if hasattr(module, name)}

    def wrap(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            with timed(seconds, f"  {name}"):
                return function(*arguments, **options)

        return wrapped

    for name, function in originals.items():
        setattr(module, name, wrap(name, function))
    return originals


def main() -> None:
    """All numbers of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000])
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where stores are made, and used again by the next start")
    given = parser.parse_args()
    for count in given.rows:
        with tempfile.TemporaryDirectory() as scratch:
            folder = (given.folder or Path(scratch)) / str(count)
            folder.mkdir(parents=True, exist_ok=True)
            os.environ["BOTTLENECK_HOME"] = str(folder / "home")  # for the index
            seconds, share = measure(folder, count, given.calls)
            goals = {"2 s against a whole call": (2 / float(np.median(seconds["whole call"])), 1.0)}
            say(f"similar, {count:,} rows of {FEATURES}", seconds, goals, recall=share)


if __name__ == "__main__":
    main()
