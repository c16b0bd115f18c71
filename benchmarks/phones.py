"""Photographs of 12 megapixels, as phones take them: ours, Keras's way, a loop of Pillow, and what the machine could do at best.

They are made from the photographs of --data, enlarged to 4000 x 3000 with noise, and removed at the end (about 1 GB).
Keras's way is `image_dataset_from_directory` with `predict`; the loop opens and resizes files with Pillow, and predicts 32 at a time.
The bound is decoding alone and the forward pass alone, added.

    python benchmarks/phones.py --data photos [--images 200] [--repeats 2]
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from _parts import StageOne, bound, has_bfloat16, keras_network
from _turns import in_turns, ratio, say
from PIL import Image

import pipeline
from pipeline.images.manifest import Manifest
from pipeline.quiet import quiet_tensorflow

BASE, SIZE, WIDTH, HEIGHT, BATCH = "vgg16", 150, 4000, 3000, 32
GOALS = {"float32": 1.8, "bfloat16": 2.7}
"""Against Keras's way."""


def make_photos(manifest: Manifest, count: int, folder: Path) -> Path:
    """Class folders of large JPEG files, made from the images of a manifest."""
    noise = np.random.default_rng(0).normal(0, 4, (HEIGHT, WIDTH, 1)).astype(np.int16)

    def make(number: int) -> None:
        row = number * len(manifest) // count
        with Image.open(io.BytesIO(manifest.read(row))) as image:
            large = image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        pixels = np.clip(np.asarray(large) + np.roll(noise, 37 * number, axis=(0, 1)), 0, 255).astype(np.uint8)
        file = folder / str(manifest.labels[row]) / f"{number:04d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file, quality=90)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(make, range(count)))
    return folder


def keras_way(folder: Path) -> Callable[[], None]:
    """A data set of the folder, resized and preprocessed by TensorFlow, and `predict`."""
    import tensorflow as tf

    network = keras_network(BASE, SIZE, "imagenet")

    def run() -> None:
        images = tf.keras.utils.image_dataset_from_directory(
            folder, labels=None, image_size=(SIZE, SIZE), batch_size=BATCH, shuffle=False, verbose=False
        )
        ready = images.map(tf.keras.applications.vgg16.preprocess_input, num_parallel_calls=tf.data.AUTOTUNE)
        network.predict(ready.prefetch(tf.data.AUTOTUNE), verbose=0)

    return run


def pillow_loop(folder: Path) -> Callable[[], None]:
    """What people write: open, resize, stack, predict."""
    import tensorflow as tf

    network, files = keras_network(BASE, SIZE, "imagenet"), sorted(folder.rglob("*.jpg"))

    def run() -> None:
        for start in range(0, len(files), BATCH):
            images = [Image.open(file).convert("RGB").resize((SIZE, SIZE)) for file in files[start : start + BATCH]]
            pixels = np.stack([np.asarray(image, np.float32) for image in images])
            network.predict(tf.keras.applications.vgg16.preprocess_input(pixels), verbose=0)

    return run


def main() -> None:
    """All in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"), help="a folder of photographs")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    if not given.data or not Path(given.data).is_dir():
        print("phones: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    quiet_tensorflow()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_photos(pipeline.scan(given.data), given.images, Path(scratch, "photos"))
        manifest = pipeline.scan(folder)
        precisions = [name for name in GOALS if name != "bfloat16" or has_bfloat16()]
        engine = "openvino" if find_spec("openvino") else "auto"  # auto converts a network for 500 images and more
        made = {
            name: StageOne.make(manifest, Path(scratch), base=BASE, size=SIZE, precision=name, engine=engine)
            for name in precisions
        }
        contestants = {"Keras's way": keras_way(folder), "a loop of Pillow": pillow_loop(folder)}
        contestants["decoding alone"] = made["float32"].decoding
        for name, parts in made.items():
            contestants |= {f"ours, {name}": parts.whole, f"forward alone, {name}": parts.forward}
        seconds = in_turns(contestants, given.repeats)
    ratios = {}
    for name in made:
        seconds[f"bound, {name}"] = bound(seconds, "decoding alone", f"forward alone, {name}")
        ours = f"ours, {name}"
        ratios[f"ours against Keras's way, {name}"] = (ratio(seconds, "Keras's way", ours), GOALS[name])
        ratios[f"ours against a loop of Pillow, {name}"] = (ratio(seconds, "a loop of Pillow", ours), GOALS[name])
        ratios[f"ours against the bound, {name}"] = (ratio(seconds, f"bound, {name}", ours), 0.85)
    say(
        f"stage one, photographs of 12 megapixels, {BASE} at {SIZE} px",
        seconds,
        ratios,
        images=len(manifest),
        images_per_second={name: len(manifest) / min(values) for name, values in seconds.items()},
    )
    print(f"{time.perf_counter() - start:.0f} s in all")


if __name__ == "__main__":
    main()
