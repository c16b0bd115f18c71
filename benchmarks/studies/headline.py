"""The README's first picture: validation accuracy against seconds of training, on cached features and on live images.

Five regimes on the same split, one seed, one head of layers on average-pooled features: ridge and logistic regression, a dense
head, fine-tuning of block5 on top of that head, all from the cache; and the same dense head end to end on live images, augmented
anew in every epoch. Every finished regime is kept in OUT.json, so the study goes on where it stopped; OUT.png is drawn from it.

    python benchmarks/studies/headline.py --data photos --out docs/pictures/headline
    python benchmarks/studies/headline.py --out docs/pictures/headline     # draws again, trains nothing
"""

import argparse
import itertools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

import pipeline
from pipeline.images.manifest import Manifest
from pipeline.quiet import quiet_tensorflow
from pipeline.runs.plots.plots import BLUE, COLOURS

DENSE, FIRST, BOUNDARY = "dense:256,relu,dropout:0.5", "block5_conv1", "block4_pool"
GREEN, PINK, ORANGE = COLOURS[2:]
NAVY, GREY = "#003f63", "#5f6672"


STYLES = {
    "ridge": ("D", GREEN, "ridge, cached"),
    "logreg": ("s", PINK, "logistic regression, cached"),
    "dense": ("o", BLUE, "dense head, cached"),
    "finetune": ("^", NAVY, "fine-tuning, cached"),
    "live": ("o", ORANGE, "dense head, live"),
}
"""Marker, colour and name of each regime."""

Trainings = Mapping[str, Callable[[], pipeline.Run]]


def part_of(manifest: Manifest, num_train: int) -> Manifest:
    """The first training images, half as many for validation and for test; classes in equal shares."""
    rows: list[int] = []
    for split, count in (("train", num_train), ("validation", num_train // 2), ("test", num_train // 2)):
        for label in manifest.classes:
            found = [r for r in range(len(manifest)) if manifest.splits[r] == split and manifest.labels[r] == label]
            rows += found[: count // len(manifest.classes)]
    return manifest.select(rows)


def trainings(manifest: Manifest, epochs: Mapping[str, int], usual: Mapping[str, Any]) -> Trainings:
    """What is trained, in this order: `finetune` starts from the run of `dense`."""
    plain = {**usual, "plots": False, "pool": "avg"}
    slow = {**plain, "lr": 3e-4}  # Keras's default of 1e-3 swings by two points from epoch to epoch
    return {
        "ridge": lambda: pipeline.fit(manifest, "ridge", name="headline-ridge", **plain),
        "logreg": lambda: pipeline.fit(manifest, "logreg", name="headline-logreg", **plain),
        "dense": lambda: pipeline.fit(manifest, DENSE, name="headline-dense", epochs=epochs["dense"], **slow),
        "finetune": lambda: pipeline.finetune(
            manifest,
            DENSE,
            name="headline-finetune",
            cached=True,
            from_layer=FIRST,
            on_run="headline-dense",
            epochs=epochs["finetune"],
            **plain,
        ),
        "live": lambda: pipeline.end_to_end(manifest, DENSE, name="headline-live", epochs=epochs["live"], **slow),
    }


def points_of(run: pipeline.Run) -> list[list[float]]:
    """Seconds of training and validation accuracy after every epoch; one point for a linear head.

    The epochs of fine-tuning follow those of the head that it starts from.
    """
    history = run.folder.history()
    if not history:
        return [[round(run.info.seconds, 3), run.scores["validation"].accuracy]]
    seconds = itertools.accumulate(row["seconds"] for row in history)
    return [[round(end, 3), row["val_accuracy"]] for end, row in zip(seconds, history, strict=True)]


def stage_one(manifest: Manifest, usual: Mapping[str, Any]) -> float:
    """Seconds that the rows of all cached regimes take, once: block4_pool's, and block5_pool's that are made from them."""
    return pipeline.extract(manifest, cut=BOUNDARY, **usual).seconds + pipeline.extract(manifest, **usual).seconds


def measure(out: Path, manifest: Manifest, epochs: Mapping[str, int], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Train what OUT.json lacks.

    Raises:
        SystemExit: OUT.json is of other images or settings.
    """
    counts = {split: len(manifest.split(split)) for split in ("train", "validation", "test")}
    setting = {"data": manifest.title, "images": counts, "base": usual["base"], "size": usual["size"], "epochs": epochs}
    done = json.loads(out.read_text()) if out.exists() else {**setting, "regimes": {}}
    if {key: done[key] for key in setting} != setting:
        raise SystemExit(f"{out} holds other trainings than {setting}: choose another --out, or remove it.")
    if "stage_one_seconds" not in done:
        done |= {"stage_one_seconds": round(stage_one(manifest, usual), 1), "cores": os.cpu_count()}
        write(out, done)
    for name, train in trainings(manifest, epochs, usual).items():
        if name not in done["regimes"]:
            run = train()
            kept = {split: scores.accuracy for split, scores in run.scores.items()}
            done["regimes"][name] = {"points": points_of(run), **kept}
            write(out, done)
    return done


def write(out: Path, done: Mapping[str, Any]) -> None:
    """All that is known so far."""
    out.write_text(json.dumps(done, indent=1) + "\n")


def draw(path: Path, done: Mapping[str, Any]) -> None:
    """Accuracy against seconds on a logarithmic axis; one opaque picture for light and dark pages.

    The percentage beside a name is that of the weights that the run keeps.
    """
    figure = Figure(figsize=(8, 5.9), layout="constrained", facecolor="white")
    axes, regimes = figure.add_subplot(), done["regimes"]
    for name, (marker, colour, label) in STYLES.items():
        points = regimes[name]["points"]
        if name == "finetune":  # from the end of the dense head on
            points = points[len(regimes["dense"]["points"]) - 1 :]
        axes.plot(
            *zip(*points, strict=True),
            f"{marker}-",
            color=colour,
            markersize=7.5 if len(points) > 1 else 11,
            linewidth=2.4,
            label=f"{label}: {regimes[name]['validation']:.1%}",
        )
    finish(axes, done)
    figure.legend(loc="outside lower center", ncols=2, fontsize=14, frameon=False, columnspacing=1.2)
    cached, live = (regimes[name]["points"][-1][0] for name in ("dense", "live"))
    figure.suptitle(
        f"A dense head in {cached:.1f} seconds, not in {live / 60:.0f} minutes", fontsize=19, fontweight="bold"
    )
    figure.savefig(path, dpi=130)


def finish(axes: Axes, done: Mapping[str, Any]) -> None:
    """Axes with room for the names, and where the features' own seconds lie."""
    once, images = done["stage_one_seconds"], done["images"]
    axes.set_xscale("log")
    axes.margins(x=0.08, y=0.12)
    axes.axvline(once, color=GREY, linestyle="--", linewidth=1.6, zorder=0)
    axes.annotate(
        f"features, once: {once:,.0f} s ",
        (once, axes.get_ylim()[0]),
        (-4, 7),
        textcoords="offset points",
        ha="right",
        color=GREY,
        fontsize=13,
    )
    axes.set_xlabel("seconds of training", fontsize=15)
    axes.set_ylabel("validation accuracy", fontsize=15)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g} s")
    axes.tick_params(labelsize=14)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    facts = (
        f"{images['train']:,} training images, {done['base'].upper()} at {done['size']} px, {done['cores']} CPU cores"
    )
    axes.set_title(f"{done['data']}: {facts}", fontsize=12.5, color=GREY)


def main() -> None:
    """Train what is missing; then the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a folder with train/, validation/ and test/; without it OUT.json is drawn")
    parser.add_argument("--images", type=int, help="training images, half as many of the other splits [default: all]")
    parser.add_argument("--base", default="vgg16", choices=["vgg16"], help="whose block5 is fine-tuned")
    parser.add_argument("--size", type=int, default=150)
    parser.add_argument("--epochs", type=int, default=30, help="of the dense head on cached features")
    parser.add_argument("--finetune-epochs", type=int, default=6)
    parser.add_argument("--live-epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True, help="without ending")
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    given = parser.parse_args()
    out = given.out.with_suffix(".json")
    if given.data:
        quiet_tensorflow()
        usual = {name: getattr(given, name) for name in ("base", "size", "cache", "runs")}
        manifest = pipeline.scan(given.data, cache=given.cache)
        epochs = {"dense": given.epochs, "finetune": given.finetune_epochs, "live": given.live_epochs}
        done = measure(out, part_of(manifest, given.images) if given.images else manifest, epochs, usual)
    elif out.exists():
        done = json.loads(out.read_text())
    else:
        parser.error(f"{out} does not exist: give --data FOLDER.")
    if missing := STYLES.keys() - done["regimes"].keys():
        parser.error(f"{out} lacks {', '.join(sorted(missing))}: give --data FOLDER to train them.")
    draw(given.out.with_suffix(".png"), done)


if __name__ == "__main__":
    main()
