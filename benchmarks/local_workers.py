"""Do processes of one thread each make more rows than one process of all threads, and does `auto` take the faster one?

Stage one in TensorFlow, photographs on disk to committed rows, for a small and a large base. The seconds of the processes' start
are told apart by two numbers of images: what counts for a million photographs is the cost of a further one.

    python benchmarks/local_workers.py --data photos [--bases squeezenet mobilenetv2 resnet50 vgg16] [--repeats 2]
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from _turns import in_turns, say

import pipeline
from pipeline.settings import Settings
from pipeline.stage_one.engines.choose import choose_backend
from pipeline.stage_one.recipes import make_recipe

CASES = {"squeezenet": (160, 2000), "mobilenetv2": (160, 2000), "resnet50": (150, 200), "vgg16": (150, 150)}
"""Size in px and number of images; twice as many in the second measurement."""


def table_of(names: list[str], labels: list[str], folder: Path) -> Path:
    """A table of photographs."""
    file = folder / f"{len(names)}.csv"
    file.write_text("path,label\n" + "".join(f"{name},{label}\n" for name, label in zip(names, labels, strict=True)))
    return file


def main() -> None:
    """In turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"))
    parser.add_argument("--bases", nargs="+", default=list(CASES))
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    if not given.data or not Path(given.data).is_dir():
        print("local_workers: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    manifest = pipeline.scan(given.data)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for base in given.bases:
            size, count = CASES[base]
            settings = Settings.of(base=base, size=size, weights="random", engine="tensorflow")

            def features(backend: str, number: int, base: str = base, size: int = size) -> None:
                data = table_of(list(manifest.names[:number]), list(map(str, manifest.labels[:number])), folder)
                with tempfile.TemporaryDirectory() as cache:
                    words = ["--base", base, "--size", str(size), "--weights", "random", "--engine", "tensorflow"]
                    places = ["--root", given.data, "--cache", cache, "--backend", backend, "--split", "100/0/0"]
                    command = [sys.executable, "-m", "pipeline", "features", str(data), *words, *places]
                    subprocess.run(command, check=True, capture_output=True)

            ways = {
                f"{backend}, {number} images": lambda backend=backend, number=number: features(backend, number)
                for backend in ("threading", "loky")
                for number in (count, 2 * count)
            }
            seconds = in_turns(ways, given.repeats)
            median = {name: statistics.median(values) for name, values in seconds.items()}
            further = {
                way: (median[f"{way}, {2 * count} images"] - median[f"{way}, {count} images"]) / count
                for way in ("threading", "loky")
            }
            recipe, _ = make_recipe(manifest, settings)
            say(
                f"stage one, {base} at {size} px: processes or one process",
                seconds,
                {"a further image: one process / processes": (further["threading"] / further["loky"], 1.0)},
                seconds_per_further_image=further,
                auto=choose_backend(recipe, settings.features.weights, settings.compute, 1_000_000),
            )


if __name__ == "__main__":
    main()
