"""How long is an epoch on cached features, and end to end?

Recipe R0's dense head (frozen base) and the fine-tuning of block5, each cached and live, in turns within one run.
Live epochs read, decode, augment (r0) and run the whole network; cached ones read rows. Both train on the same images and
watch the same validation images. The first epoch of each training, which compiles, is left out.

    python benchmarks/epoch_seconds.py --data photos [--images 400] [--turns 2] [--epochs 3] [--what head block5]
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import pipeline
from pipeline.comparison.published import EXPERIMENTS
from pipeline.images.augment import AUGMENTATIONS
from pipeline.images.manifest import Manifest
from pipeline.quiet import quiet_tensorflow
from pipeline.runs.saving import Saving
from pipeline.settings import Settings
from pipeline.stage_two.dense.settings import Training
from pipeline.training.finetune.assembly import cut_of
from pipeline.training.finetune.settings import FineTuning
from pipeline.training.finetune.train import finetune
from pipeline.training.heads import fit_head

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
    parser.add_argument("--epochs", type=int, default=3, help="of each training; the first is not counted")
    parser.add_argument("--what", nargs="+", choices=["head", "block5"], default=["head", "block5"])
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    given = parser.parse_args()
    if not given.data or not Path(given.data).is_dir():
        print("epoch_seconds: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    quiet_tensorflow()
    with tempfile.TemporaryDirectory() as runs:
        keywords = {**EXPERIMENTS["r0b"].base, "cache": given.cache, "runs": Path(runs), "progress": True}
        settings = Settings.of(**keywords)
        manifest = part_of(pipeline.scan(given.data, **keywords), given.images)
        training = replace(TRAINING, epochs=given.epochs)
        frozen = FineTuning(head=HEAD, augmentation=AUGMENTATIONS["r0"], training=training)
        tuned = replace(frozen, first=FIRST, head_epochs=0)
        from_rows = replace(tuned, augmentation=None, cached=True)
        for cut in (cut_of(tuned, settings), None):
            pipeline.extract(manifest, **keywords, cut=cut)
        saving = Saving(plots=False)
        paths = {
            "head": (
                lambda: fit_head(manifest, HEAD, settings, saving, training=training),
                lambda: finetune(manifest, frozen, settings, saving),
            ),
            "block5": (
                lambda: finetune(manifest, from_rows, settings, saving),
                lambda: finetune(manifest, tuned, settings, saving),
            ),
        }
        seconds: dict[str, dict[str, list[float]]] = {what: {"cached": [], "live": []} for what in given.what}
        for _ in range(given.turns):
            for what in given.what:
                for where, path in zip(("cached", "live"), paths[what], strict=True):
                    seconds[what][where].append(seconds_of_epochs(path()))
    report(seconds, len(manifest))


def report(seconds: dict[str, dict[str, list[float]]], num_images: int) -> None:
    """Medians over the turns, and their ratio."""
    ratios = {}
    for what, measured in seconds.items():
        cached, live = (statistics.median(measured[where]) for where in ("cached", "live"))
        ratios[what] = live / cached
        turns = {where: [round(value, 3) for value in values] for where, values in measured.items()}
        print(f"{what:8} cached {cached:8.3f} s per epoch, live {live:8.2f} s: {live / cached:.1f} x   {turns}")
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    print(json.dumps({"machine": machine, "images": num_images, "seconds": seconds, "ratios": ratios}))


if __name__ == "__main__":
    main()
