"""Does a race find the best base, and what does it save? A race, then all rows of all that took part.

Regret is the validation accuracy that the winner's rows lack against the best rows of all, with the same head (ridge on pooled rows).
Forward seconds are those that the shards record. The race's rows are part of all rows, so nothing is computed twice.

    python benchmarks/studies/race.py --data photos [more photos] --out study/race
"""

import argparse
import itertools
from pathlib import Path

from _paired import some_of

import pipeline
from pipeline.cache.stores import list_stores, seconds_to_make
from pipeline.quiet import quiet_tensorflow


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--bases", nargs="+", default=["squeezenet", "mobilenetv2", "vgg16"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[96, 160])
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--validation", type=int, default=1000)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    quiet_tensorflow()
    print("| data | training images | won | best of all | regret, points | rows | forward seconds |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    for data in given.data:
        cache = given.out / f"cache-{Path(data).name}"
        manifest = some_of(pipeline.scan(data, cache=cache), given.train, given.validation)
        places = {"cache": cache, "runs": given.out / "runs"}
        race = pipeline.advise(manifest, bases=given.bases, sizes=given.sizes, **places)
        raced = forward_seconds(cache)
        accuracies = {}
        for base, size in itertools.product(given.bases, given.sizes):
            name = f"{Path(data).name}-{base}-{size}"
            run = pipeline.fit(manifest, "ridge", base=base, size=size, name=name, replace=True, plots=False, **places)
            accuracies[f"{base}, {size} px"] = run.scores["validation"].accuracy
        best = max(accuracies, key=accuracies.__getitem__)
        regret = 100 * (accuracies[best] - accuracies[race.winner])
        whole = forward_seconds(cache)
        cells = (
            Path(data).name,
            f"{len(manifest.split('train')):,}",
            f"{race.winner} ({accuracies[race.winner]:.3f})",
            f"{best} ({accuracies[best]:.3f})",
            f"{regret:.1f}",
            f"{race.rows / race.all_rows:.2f}",
            f"{raced:.0f} of {whole:.0f} ({raced / whole:.2f})",
        )
        print(f"| {' | '.join(cells)} |", flush=True)


def forward_seconds(cache: Path) -> float:
    """Of all rows in a cache."""
    return sum(seconds_to_make(store, len(store)) or 0.0 for store in list_stores(cache))


if __name__ == "__main__":
    main()
