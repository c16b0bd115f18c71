"""Photographs on disk to committed rows: ours, the published way, and what the machine could do at best.

The published way is Keras's directory iterator with `predict` batch after batch (20 images), features kept in one array. The bound is
decoding alone and the forward pass alone, added: both want all cores. Large networks are measured in float32, and in bfloat16 where
the processor has it; small ones with grids and with pooled rows, these in bfloat16 too.

    python benchmarks/stage_one.py --data photos [--images 500] [--repeats 3] [--bases vgg16 mobilenetv2]
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _parts import StageOne, bound, copy_images, has_bfloat16, keras_network
from _turns import in_turns, ratio, say

import pipeline
from pipeline.images.manifest import Manifest
from pipeline.quiet import quiet_tensorflow


@dataclass(frozen=True)
class Case:
    """One network."""

    base: str
    size: int
    weights: str
    """Speed does not depend on their values."""

    times: int
    """How many times `--images` are used."""

    ways: Mapping[str, Mapping[str, str]]
    """Keywords of what is measured, by its name."""

    goals: Mapping[str, float]
    """By the name of the way: the goal against the published way."""


CASES = (
    Case(
        *("vgg16", 150, "imagenet", 1),
        {"float32": {}, "bfloat16": {"precision": "bfloat16"}},
        {"float32": 1.1, "bfloat16": 2.0},
    ),
    Case(
        *("mobilenetv2", 160, "random", 5),
        {"grid": {}, "pooled": {"pooling": "avg"}, "pooled, bfloat16": {"pooling": "avg", "precision": "bfloat16"}},
        {"grid": 4.0, "pooled": 4.0, "pooled, bfloat16": 4.0},
    ),
)
_BOUND = 0.85
_BFLOAT16 = 1.8
"""Goals against the bound, and of bfloat16 against float32."""


def published_way(base: str, size: int, weights: str, folder: Path) -> Callable[[], None]:
    """What the recipes do: ImageDataGenerator, `predict` on 20 images at a time, rows into an array."""
    import tensorflow as tf

    network = keras_network(base, size, weights)
    generator = tf.keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255)

    def run() -> None:
        flow = generator.flow_from_directory(folder, (size, size), batch_size=20, class_mode="sparse", shuffle=False)
        rows = np.zeros((flow.n, *network.output_shape[1:]), np.float32)
        for place in range(len(flow)):
            images, _ = flow[place]
            rows[place * 20 : place * 20 + len(images)] = network.predict(images, verbose=0)

    return run


def measure(case: Case, manifest: Manifest, repeats: int) -> None:
    """One network, all in turns."""
    with tempfile.TemporaryDirectory() as scratch:
        ways = {name: way for name, way in case.ways.items() if "precision" not in way or has_bfloat16()}
        made = {
            name: StageOne.make(manifest, Path(scratch), base=case.base, size=case.size, weights=case.weights, **way)
            for name, way in ways.items()
        }
        theirs = published_way(case.base, case.size, case.weights, copy_images(manifest, Path(scratch, "photos")))
        theirs()  # compile
        contestants = {"published way": theirs, "decoding alone": next(iter(made.values())).decoding}
        for name, parts in made.items():
            contestants |= {f"ours, {name}": parts.whole, f"forward alone, {name}": parts.forward}
        seconds = in_turns(contestants, repeats)
    ratios = {}
    for name in made:
        seconds[f"bound, {name}"] = bound(seconds, "decoding alone", f"forward alone, {name}")
        against = (ratio(seconds, "published way", f"ours, {name}"), case.goals[name])
        ratios[f"ours against the published way, {name}"] = against
        ratios[f"ours against the bound, {name}"] = (ratio(seconds, f"bound, {name}", f"ours, {name}"), _BOUND)
    if "bfloat16" in made:
        ratios["bfloat16 against float32"] = (ratio(seconds, "ours, float32", "ours, bfloat16"), _BFLOAT16)
    say(
        f"stage one, {case.base} at {case.size} px",
        seconds,
        ratios,
        images=len(manifest),
        engines={name: parts.engine.provenance["engine"] for name, parts in made.items()},
        images_per_second={name: len(manifest) / min(values) for name, values in seconds.items()},
    )


def main() -> None:
    """All networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"), help="a folder of photographs")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bases", nargs="+", default=[case.base for case in CASES])
    given = parser.parse_args()
    if not given.data or not Path(given.data).is_dir():
        print("stage_one: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    quiet_tensorflow()
    start = time.perf_counter()
    manifest = pipeline.scan(given.data)
    order = np.random.default_rng(0).permutation(len(manifest))
    for case in CASES:
        if case.base in given.bases:
            measure(case, manifest.select(sorted(map(int, order[: case.times * given.images]))), given.repeats)
    print(f"{time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
