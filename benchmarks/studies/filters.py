"""Which `--resize` should be the default? Linear heads on images resized with each filter, compared on the same validation images.

Each base and size has one store per filter. In the table, the images gained and lost against the first filter, with the p-value of
McNemar's exact test; below it, all lines of a filter taken together, and how many images per second each filter decodes on one core.

    python benchmarks/studies/filters.py --data photos [more photos] [--bases squeezenet vgg16] [--sizes 96 150] --out study/filters
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from _paired import HEADS, Right, accuracy, against, compared, labelled_rightly, some_of
from scipy.stats import binomtest

import pipeline
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.manifest import Manifest
from pipeline.quiet import quiet_tensorflow

FILTERS = ("lanczos", "bicubic", "bilinear", "box")
_NUM_TIMED = 100


def speeds(manifest: Manifest, size: int, filters: Sequence[str]) -> dict[str, float]:
    """Images per second of CPU time on one core, by filter: the best of three turns."""
    images = [manifest.read(row) for row in range(min(len(manifest), _NUM_TIMED))]
    seconds: dict[str, list[float]] = {name: [] for name in filters}
    for _ in range(3):
        for name in filters:
            decode, start = Decoder(size, name).decode, time.process_time()
            for data in images:
                decode(data)
            seconds[name].append(time.process_time() - start)
    return {name: len(images) / min(values) for name, values in seconds.items()}


def line(names: Sequence[str], results: Mapping[str, Right], filters: Sequence[str]) -> str:
    """Accuracies of a head, and what the other filters gain and lose against the first."""
    first = results[filters[0]]
    cells = [f"{accuracy(first):.3f}", *(compared(results[name], first) for name in filters[1:])]
    return f"| {' | '.join([*names, *cells])} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--bases", nargs="+", default=["squeezenet", "vgg16"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[96, 150])
    parser.add_argument("--filters", nargs="+", default=list(FILTERS))
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--validation", type=int, default=1000)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    quiet_tensorflow()
    sets = {
        Path(data).name: some_of(pipeline.scan(data, cache=given.out / "cache"), given.train, given.validation)
        for data in given.data
    }
    filters = given.filters
    print(f"| data | base | size | head | {' | '.join(filters)} |\n|{'---|' * (4 + len(filters))}", flush=True)
    totals: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for base in given.bases:
        for size in given.sizes:
            for data, manifest in sets.items():
                for head in HEADS:
                    results = {
                        name: labelled_rightly(
                            manifest,
                            head,
                            given.out,
                            f"{data}-{base}-{size}-{name}-{head}",
                            base=base,
                            size=size,
                            resize=name,
                            precision=given.precision,
                        )
                        for name in filters
                    }
                    for name in filters[1:]:
                        totals[name].append(against(results[name], results[filters[0]])[:2])
                    print(line((data, base, str(size), head), results, filters), flush=True)
    print()
    for name, counts in totals.items():
        gained, lost = map(sum, zip(*counts, strict=True))
        p = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
        print(f"{name} against {filters[0]}, all lines together: +{gained} -{lost}, p = {p:.3f}")
    for data, manifest in sets.items():
        for size in given.sizes:
            found = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds(manifest, size, filters).items())
            print(f"{data} at {size} px, images per second on one core: {found}")


if __name__ == "__main__":
    main()
