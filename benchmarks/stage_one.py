"""Photographs on disk to committed rows: ours, the published way, and what the machine could do at best.

The published way is Keras's directory iterator with `predict` batch after batch (20 images), features kept in one array.
The ceiling of VGG16 is the fastest engine alone, images already in memory. For MobileNetV2, where decoding counts, the bound
is decoding alone and that forward pass alone, added: both want all cores.

    python benchmarks/stage_one.py --data photos [--images 400] [--repeats 3]
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from _turns import in_turns, ratio, say

import pipeline
from pipeline.bases.table import find_base
from pipeline.cache.store import Store
from pipeline.images.manifest import Manifest
from pipeline.quiet import quiet_tensorflow
from pipeline.settings import Settings
from pipeline.stage_one.engines.choose import make_engine
from pipeline.stage_one.in_process import extract_in_process
from pipeline.stage_one.missing import missing_items
from pipeline.stage_one.recipes import make_recipe, weights_file

CASES = (("vgg16", 150, "imagenet", 1, 1.4), ("mobilenetv2", 160, "random", 5, 4.0))
"""Base, size, weights (speed does not depend on their values), times --images, and the goal against the published way."""


def copy_images(manifest: Manifest, folder: Path) -> Path:
    """Class folders of the images, for Keras's iterator."""
    for row, name in enumerate(manifest.names):
        file = folder / str(manifest.labels[row]) / f"{row:06d}{Path(name).suffix}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(manifest.read(row))
    return folder


def published_way(base: str, size: int, weights: str, folder: Path) -> Callable[[], None]:
    """What the recipes do: ImageDataGenerator, `predict` on 20 images at a time, rows into an array."""
    import tensorflow as tf

    from pipeline.bases.weights import load_base

    network = load_base(find_base(base), size, weights_file(base, weights))
    generator = tf.keras.preprocessing.image.ImageDataGenerator(rescale=1 / 255)

    def run() -> None:
        flow = generator.flow_from_directory(folder, (size, size), batch_size=20, class_mode="binary", shuffle=False)
        rows = np.zeros((flow.n, *network.output_shape[1:]), np.float32)
        for place in range(len(flow)):
            images, _ = flow[place]
            rows[place * 20 : place * 20 + len(images)] = network.predict(images, verbose=0)

    return run


def measure(base: str, size: int, weights: str, goal: float, manifest: Manifest, repeats: int) -> None:
    """One base."""
    with tempfile.TemporaryDirectory() as scratch:
        settings = Settings.of(
            base=base, size=size, weights=weights, cache=Path(scratch, "cache"), runs=Path(scratch, "runs")
        )
        recipe, _ = make_recipe(manifest, settings)
        engine = make_engine(recipe, weights, settings.compute, len(manifest))
        decode = recipe.decoder.decode
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            pixels = np.stack(list(pool.map(lambda row: decode(manifest.read(row)), range(len(manifest)))))
        batches = [pixels[start : start + 32] for start in range(0, len(pixels), 32)]
        engine.features(batches[0])  # compile, and take the faster engine

        def forward() -> None:
            with ThreadPoolExecutor(engine.concurrency) as calls:
                list(calls.map(engine.features, batches))

        def decoding() -> None:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                list(pool.map(lambda row: decode(manifest.read(row)), range(len(manifest))))

        stores = iter(range(1000))

        def ours() -> float:  # the network is loaded already, as theirs is
            store = Store(Path(scratch, f"store{next(stores)}"), recipe)
            start = time.perf_counter()
            extract_in_process(manifest, missing_items(manifest, store, (0,)), store, lambda: engine)
            return time.perf_counter() - start

        theirs = published_way(base, size, weights, copy_images(manifest, Path(scratch, "photos")))
        theirs()  # compile
        contestants = {"published way": theirs, "ours": ours, "forward alone": forward, "decoding alone": decoding}
        seconds = in_turns(contestants, repeats)
    bound = [a + b for a, b in zip(seconds["forward alone"], seconds["decoding alone"], strict=True)]
    seconds["decoding + forward"] = bound
    ratios = {"ours against the published way": (ratio(seconds, "published way", "ours"), goal)}
    if base == "vgg16":
        ratios["ours against the forward pass alone"] = (ratio(seconds, "forward alone", "ours"), 0.93)
    else:
        ratios["ours against decoding + forward"] = (ratio(seconds, "decoding + forward", "ours"), 0.85)
    say(
        f"stage one, {base} at {size} px",
        seconds,
        ratios,
        images=len(manifest),
        engine=engine.provenance["engine"],
        images_per_second={name: len(manifest) / min(values) for name, values in seconds.items()},
    )


def main() -> None:
    """Both bases, in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"), help="a folder of photographs")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--bases", nargs="+", default=[case[0] for case in CASES])
    given = parser.parse_args()
    if not given.data or not Path(given.data).is_dir():
        print("stage_one: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    quiet_tensorflow()
    start = time.perf_counter()
    manifest = pipeline.scan(given.data)
    order = np.random.default_rng(0).permutation(len(manifest))
    for base, size, weights, times, goal in CASES:
        if base in given.bases:
            rows = sorted(map(int, order[: times * given.images]))
            measure(base, size, weights, goal, manifest.select(rows), given.repeats)
    print(f"{time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
