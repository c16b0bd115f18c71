"""Does the evidence point at the cat? A pointing game on images of 2 x 2 tiles, one of which is a cat, against live Grad-CAM.

Heads learn one class of a data set against the others. Images are composed of test images: one tile of the class, at a random place, and three
of another kind: of the other classes, or of another data set. A map hits if its largest place, after the bicubic enlargement that overlays
have, is in the tile of the class; chance is 0.25. Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) runs the same base with the same linear
head, on the output of the base's last convolution. All ways are asked the same: the class against the most probable other one.

    python benchmarks/studies/pointing.py --data photos --target cats --others photos signs --layer block5_conv3 --cut block4_pool --out study/pointing
"""

import argparse
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _paired import some_of
from numpy.typing import NDArray
from PIL import Image, ImageOps

import pipeline
from pipeline.cache.recipe import Recipe
from pipeline.evidence.overlay import smooth
from pipeline.images.manifest import Manifest
from pipeline.quiet import quiet_tensorflow
from pipeline.tasks.scores import wilson_interval

Maps = list[NDArray[np.float32]]
DENSE = "dense:256,relu,dropout:0.5"
_BATCH = 32


@dataclass(frozen=True)
class Game:
    """Composed images."""

    name: str
    files: list[str]
    corners: list[int]
    """Of the class in each image: 0 to 3, row by row."""

    size_px: int

    def score(self, maps: Maps) -> str:
        """The share of hits with its interval."""
        hits = sum(self._corner(each) == corner for each, corner in zip(maps, self.corners, strict=True))
        low, high = wilson_interval(hits, len(maps))
        return f"{hits / len(maps):.3f} [{low:.3f}, {high:.3f}]"

    def _corner(self, cells: NDArray[np.float32]) -> int:
        enlarged = smooth(cells, (self.size_px, self.size_px))
        row, column = np.unravel_index(enlarged.argmax(), enlarged.shape)
        return int(2 * (row >= self.size_px / 2) + (column >= self.size_px / 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--others", nargs="+", required=True)
    parser.add_argument("--base", default="vgg16")
    parser.add_argument("--size", type=int, default=150)
    parser.add_argument("--layer", required=True, help="The base's last convolution.")
    parser.add_argument("--cut", help="An earlier cut, for finer maps.")
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--validation", type=int, default=400)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    quiet_tensorflow()
    folders = {"cache": given.cache or given.out / "cache", "runs": given.out / "runs"}
    shared = {"base": given.base, "size": given.size, "plots": False, "replace": True, **folders}
    whole = pipeline.scan(given.data, cache=folders["cache"])
    manifest = some_of(whole, given.train, given.validation)
    linear = pipeline.fit(manifest, "logreg", name="linear", **shared)
    largest = pipeline.fit(manifest, "logreg", pool="max", name="largest", **shared)
    dense = pipeline.fit(manifest, DENSE, name="dense", **shared)
    runs = {"logreg, avg": (linear, None), "logreg, max": (largest, None)}
    if given.cut:
        runs[f"logreg, avg, --cut {given.cut}"] = (
            pipeline.fit(manifest, "logreg", name="finer", cut=given.cut, **shared),
            None,
        )
    runs |= {f"{DENSE}, gradient x input": (dense, None), f"{DENSE}, blanked": (dense, "blank")}
    print("| others | head and way | grid | hits | seconds per image |\n|---|---|---|---|---|", flush=True)
    for other in given.others:
        game = compose(whole, other, given)
        for name, (run, how) in runs.items():
            pipeline.explain(run, game.files, of=given.target, how=how)  # makes the rows that are missing
            show(game, name, lambda run=run, how=how, game=game: _evidence(run, game, given.target, how))
        look = GradCam(linear, given.layer, given.target)
        look(game.files[:_BATCH])  # compiles
        look.check(game.files[:_BATCH])
        show(game, f"logreg, avg, live Grad-CAM of {given.layer}", lambda look=look, game=game: look(game.files))


def show(game: Game, name: str, make: Callable[[], Maps]) -> None:
    """A row of the table."""
    start = time.perf_counter()
    maps = make()
    seconds = (time.perf_counter() - start) / len(maps)
    height, width = maps[0].shape
    print(f"| {game.name} | {name} | {height} x {width} | {game.score(maps)} | {seconds:.5f} |", flush=True)


def _evidence(run: pipeline.Run, game: Game, target: str, how: str | None) -> Maps:
    return [one.map for one in pipeline.explain(run, game.files, of=target, how=how)]


def compose(manifest: Manifest, other: str, given: argparse.Namespace) -> Game:
    """Images of one tile of the class and three others, in a folder."""
    rng, tile_px = np.random.default_rng(given.seed), given.size // 2
    mine = manifest.split("test")
    theirs = mine if Path(other) == Path(given.data) else pipeline.scan(other, split="90/10")
    own = [row for row, label in enumerate(mine.labels) if label == given.target]
    rest = [row for row, label in enumerate(theirs.labels) if theirs is not mine or label != given.target]
    folder = given.out / "images" / Path(other).name
    folder.mkdir(parents=True, exist_ok=True)
    files, corners = [], []
    for number in range(given.count):
        corner, sheet = int(rng.integers(4)), Image.new("RGB", (2 * tile_px, 2 * tile_px))
        tiles = [(theirs, row) for row in rng.choice(rest, 3, replace=False)]
        tiles.insert(corner, (mine, rng.choice(own)))
        for place, (source, row) in enumerate(tiles):
            sheet.paste(_tile(source, int(row), tile_px), (place % 2 * tile_px, place // 2 * tile_px))
        file = folder / f"{number:04d}.png"
        sheet.save(file)
        files.append(str(file))
        corners.append(corner)
    return Game(Path(other).name, files, corners, given.size)


def _tile(manifest: Manifest, row: int, side: int) -> Image.Image:
    """The middle square of an image."""
    with Image.open(io.BytesIO(manifest.read(row))) as image:
        return ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS)


class GradCam:
    """Grad-CAM of a linear head on average-pooled rows, on a network that runs."""

    def __init__(self, run: pipeline.Run, layer: str, target: str) -> None:
        import keras
        import tensorflow as tf

        from pipeline.bases.files import home_folder, weights_file
        from pipeline.bases.find import find_base
        from pipeline.bases.network import preprocess
        from pipeline.bases.weights import load_base

        self.run, self.target, head = run, target, run.head
        self.recipe = Recipe.from_dict(dict(run.info.recipe))
        spec = find_base(self.recipe.base)
        base = load_base(spec, self.recipe.decoder.size_px, weights_file(spec, "imagenet", home_folder()))
        number = run.classes.index(target)
        weights = head.temperature * head.weights / head.scale[:, None]
        direction = tf.constant(weights[:, number] - weights[:, 1 - number])  # of two classes
        self.bias = float(
            -(head.mean @ direction.numpy()) + head.temperature * (head.bias[number] - head.bias[1 - number])
        )
        pixels = keras.Input(base.input_shape[1:])
        both = keras.Model(base.input, [base.get_layer(layer).output, base.get_layer(self.recipe.cut).output])
        network = keras.Model(pixels, both(preprocess(pixels, self.recipe.preprocessing)))

        def step(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                seen, rows = network(images, training=False)
                total = tf.reduce_sum(tf.reduce_mean(rows, (1, 2)) * direction, axis=1)
            slopes = tf.reduce_mean(tape.gradient(total, seen), (1, 2), keepdims=True)
            return tf.nn.relu(tf.reduce_sum(slopes * seen, axis=-1)), total

        self.step = tf.function(step, autograph=False, reduce_retracing=True)

    def __call__(self, files: Sequence[str]) -> Maps:
        """Maps, from files: decoded, through the network and back."""
        return [cells for batch in self._batches(files) for cells in self.step(batch)[0].numpy()]

    def check(self, files: Sequence[str]) -> None:
        """It must be the same head on the same features as the run's."""
        live = np.concatenate([self.step(batch)[1].numpy() for batch in self._batches(files)]) + self.bias
        stored = [one.total for one in pipeline.explain(self.run, list(files), of=self.target)]
        difference = np.abs(live - np.array(stored)).max()
        if difference > 1e-2:
            raise SystemExit(f"Live and stored logits differ by {difference:.3g}.")

    def _batches(self, files: Sequence[str]) -> list[NDArray[np.float32]]:
        decode = self.recipe.decoder.decode
        return [
            np.stack([decode(Path(file).read_bytes()) for file in files[start : start + _BATCH]]).astype(np.float32)
            for start in range(0, len(files), _BATCH)
        ]


if __name__ == "__main__":
    main()
