"""How long is an epoch on cached features, and end to end?

Recipe R0's dense head (frozen base) and the fine-tuning of block5, each cached and live, in turns within one run.
Live epochs read, decode, augment (r0) and run the whole network; cached ones read rows. Both train on the same images and
watch the same validation images. The first epoch of each training, which compiles, is left out.

    python benchmarks/epoch_seconds.py --data photos [--images 400] [--turns 2]
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

from pipeline.images.manifest import Manifest
from pipeline.images.views import AUGMENTATIONS
from pipeline.quiet import quiet_tensorflow
from pipeline.stage_two.training import Training
from pipeline.verbs.heads import fit
from pipeline.verbs.options import Options
from pipeline.verbs.rows import extract, scan
from pipeline.verbs.tune import tune
from pipeline.verbs.tuning import Tuning

HEAD = "dense:256,relu,dropout:0.5"
TRAINING = Training(epochs=3, batch_size=20, learning_rate=2e-5, optimizer="rmsprop", keep="last")
FIRST = "block5_conv1"


def part_of(manifest: Manifest, num_train: int) -> Manifest:
    """The first training images, half as many validation images, no test images; classes in equal shares."""
    rows: list[int] = []
    for split, count in (("train", num_train), ("validation", num_train // 2)):
        for label in manifest.classes:
            found = [r for r in range(len(manifest)) if manifest.splits[r] == split and manifest.labels[r] == label]
            rows += found[: count // len(manifest.classes)]
    return manifest.select(rows)


def seconds_of_epochs(run: object) -> float:
    """Median over the epochs after the first."""
    history = run.folder.history()  # type: ignore[attr-defined]
    return statistics.median(row["seconds"] for row in history[1:])


def main() -> None:
    """Measure, print a table, and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", default=os.environ.get("DATA"), help="a folder of photographs with train/ and validation/"
    )
    parser.add_argument("--images", type=int, default=400, help="training images")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    given = parser.parse_args()
    if not given.data or not Path(given.data).is_dir():
        print("epoch_seconds: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    quiet_tensorflow()
    with tempfile.TemporaryDirectory() as runs:
        options = Options(
            base="vgg16", size=150, preprocess="rescale", cache=given.cache, runs=Path(runs), progress=True
        )
        manifest = part_of(scan(given.data, options=options), given.images)
        frozen = Tuning(HEAD, augmentation=AUGMENTATIONS["r0"], training=TRAINING)
        tuned = replace(frozen, first=FIRST, head_epochs=0)
        extract(manifest, options=options)
        extract(manifest, options=replace(options, cut="block4_pool"))
        paths = {
            "head, cached": lambda: fit(manifest, HEAD, training=TRAINING, pictures=False, options=options),
            "head, live": lambda: tune(manifest, frozen, pictures=False, options=options),
            "block5, cached": lambda: tune(
                manifest, replace(tuned, augmentation=None), cached=True, pictures=False, options=options
            ),
            "block5, live": lambda: tune(manifest, tuned, pictures=False, options=options),
        }
        seconds: dict[str, list[float]] = {name: [] for name in paths}
        for _ in range(given.turns):
            for name, path in paths.items():
                seconds[name].append(seconds_of_epochs(path()))
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, value in medians.items():
        print(f"{name:16} {value:8.2f} s an epoch   {[round(v, 2) for v in seconds[name]]}")
    ratios = {
        "head": medians["head, live"] / medians["head, cached"],
        "block5": medians["block5, live"] / medians["block5, cached"],
    }
    print(f"cached is {ratios['head']:.1f} x faster for the head, {ratios['block5']:.2f} x for block5")
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    print(json.dumps({"machine": machine, "images": len(manifest), "seconds": medians, "ratios": ratios}))


if __name__ == "__main__":
    main()
