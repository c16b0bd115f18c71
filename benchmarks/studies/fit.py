"""Which `--fit` should be the default? Linear heads on stretched, cropped and padded images, compared on the same validation images.

Each base and size has three stores that differ in nothing but the fit. McNemar's exact test looks at the images that one of two heads
labels rightly and the other wrongly. Data of square images shows no difference, by construction.

    python benchmarks/studies/fit.py --data photos [--bases squeezenet vgg16] [--sizes 96 150] [--train 2000] --out study/fit
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from scipy.stats import binomtest

import pipeline
from pipeline.images.manifest import Manifest
from pipeline.images.pixels import FITS
from pipeline.quiet import quiet_tensorflow

HEADS = ("ridge", "logreg")
Right = dict[str, bool]
"""Whether each validation image was labelled rightly, by its path."""


def some_of(manifest: Manifest, num_train: int) -> Manifest:
    """All validation images, and the first training images of each class."""
    chosen, taken = [], dict.fromkeys(manifest.classes, 0)
    for row, (split, label) in enumerate(zip(manifest.splits, manifest.labels, strict=True)):
        if split == "validation":
            chosen.append(row)
        elif split == "train" and label is not None and taken[label] < num_train // len(manifest.classes):
            taken[label] += 1
            chosen.append(row)
    return manifest.select(chosen)


def labelled_rightly(manifest: Manifest, base: str, size: int, fit: str, head: str, out: Path) -> Right:
    """Train a head, and look at each of its validation predictions."""
    run = pipeline.fit(
        manifest,
        head,
        base=base,
        size=size,
        fit=fit,
        cache=out / "cache",
        runs=out / "runs",
        name=f"{base}-{size}-{fit}-{head}",
        plots=False,
    )
    rows = [row for row in run.folder.predictions() if row["split"] == "validation"]
    return {row["path"]: row["label"] == row["predicted"] for row in rows}


def line(names: Sequence[str], results: dict[str, Right]) -> str:
    """A line of the table: accuracies, and of crop and pad the counts and the p-value against stretch."""
    stretch, cells = results["stretch"], list(names)
    for fit in FITS:
        accuracy = sum(results[fit].values()) / len(results[fit])
        gained = sum(right and not stretch[path] for path, right in results[fit].items())
        lost = sum(stretch[path] and not right for path, right in results[fit].items())
        test = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
        cells.append(f"{accuracy:.3f}" if fit == "stretch" else f"{accuracy:.3f} (+{gained} -{lost}, p = {test:.3f})")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--bases", nargs="+", default=["squeezenet", "vgg16"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[96, 150])
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    quiet_tensorflow()
    manifest = some_of(pipeline.scan(given.data, cache=given.out / "cache"), given.train)
    counts = [len(manifest.split(name)) for name in ("train", "validation")]
    print(
        f"{counts[0]} training and {counts[1]} validation images; in brackets: images gained and lost against stretch\n"
    )
    print("| base | size | head | stretch | crop | pad |\n|---|---|---|---|---|---|", flush=True)
    for base in given.bases:
        for size in given.sizes:
            for head in HEADS:
                results = {fit: labelled_rightly(manifest, base, size, fit, head, given.out) for fit in FITS}
                print(line((base, str(size), head), results), flush=True)


if __name__ == "__main__":
    main()
