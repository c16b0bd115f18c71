"""Which `--fit` should be the default? Linear heads on stretched, cropped and padded images, compared on the same validation images.

Each base and size has three stores that differ in nothing but the fit. McNemar's exact test looks at the images that one of two heads
labels rightly and the other wrongly. Data of square images shows no difference, by construction.

    python benchmarks/studies/fit.py --data photos [--bases squeezenet vgg16] [--sizes 96 150] [--train 2000] --out study/fit
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from _paired import HEADS, Right, accuracy, compared, labelled_rightly, some_of

import pipeline
from pipeline.images.decoding.pixels import FITS
from pipeline.quiet import quiet_tensorflow


def line(names: Sequence[str], results: Mapping[str, Right]) -> str:
    """A line of the table: accuracies, and of crop and pad the counts and the p-value against stretch."""
    stretch = results["stretch"]
    cells = [f"{accuracy(stretch):.3f}", *(compared(results[fit], stretch) for fit in FITS if fit != "stretch")]
    return f"| {' | '.join([*names, *cells])} |"


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
                results = {
                    fit: labelled_rightly(
                        manifest, head, given.out, f"{base}-{size}-{fit}-{head}", base=base, size=size, fit=fit
                    )
                    for fit in FITS
                }
                print(line((base, str(size), head), results), flush=True)


if __name__ == "__main__":
    main()
