"""Winograd convolutions against direct ones: images a second of the network alone, and how far its rows are apart.

Weights are random ones: speed does not depend on their values.

    python benchmarks/studies/winograd.py [--bases vgg16:150 resnet50:224] [--repeats 3]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import pipeline
from pipeline.settings import Settings
from pipeline.stage_one.engines.choose import make_reference
from pipeline.stage_one.engines.compiled import CompiledNetwork
from pipeline.stage_one.engines.conversion import Conversion
from pipeline.stage_one.engines.measure import largest_difference
from pipeline.stage_one.recipes import make_recipe

BATCH = 32


def measure(base: str, size: int, repeats: int, folder: Path) -> None:
    """Both ways in turns, the median of each."""
    settings = Settings.of(base=base, size=size, weights="random")
    recipe, _ = make_recipe(pipeline.scan("sklearn:digits"), settings)
    conversion = Conversion(folder / f"{base}-{size}")
    conversion.make(lambda: make_reference(recipe, "random", settings.compute))
    direct, winograd = (CompiledNetwork(conversion, BATCH, "float32", winograd=way) for way in (False, True))
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3), np.uint8)
    difference = largest_difference(winograd.infer(pixels), direct.infer(pixels))
    speeds = []
    for _ in range(repeats):
        starts = [time.perf_counter()]
        for network in (direct, winograd):
            network.infer(pixels)
            starts.append(time.perf_counter())
        speeds.append(BATCH / np.diff(starts))
    before, after = np.median(speeds, axis=0)
    print(
        f"{base} {size} px: {before:.1f} -> {after:.1f} images/s ({after / before:.2f}), "
        f"{winograd.num_winograd} convolutions, difference {difference:.1e}",
        flush=True,
    )


def main() -> None:
    """Each base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bases", nargs="+", default=["vgg16:150", "vgg19:224", "resnet50:224"])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for entry in given.bases:
            base, size = entry.split(":")
            measure(base, int(size), given.repeats, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
