"""How many of the true neighbours does the index of `similar` find on real rows, by the share of the rows that it compares?

Up to 2,000 training and 1,000 validation images of a data set are looked for among each other, average-pooled; recall is the share of the true 12 nearest among the 12 that are found.

    python benchmarks/studies/index.py --data photos [more photos] --out study/index
"""

import argparse
from pathlib import Path

import numpy as np
from _paired import some_of

import pipeline
from pipeline.insight import index as module
from pipeline.insight.index import Index, build_index
from pipeline.insight.neighbours import find_nearest, unit_length
from pipeline.quiet import quiet_tensorflow
from pipeline.stage_two.rows import StoredRows

SHARES = (0.03, 0.06, 0.12, 0.25, 0.5)
K = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--bases", nargs="+", default=["vgg16", "mobilenetv2"])
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--out", type=Path, required=True, help="a folder with a cache for each data set")
    given = parser.parse_args()
    quiet_tensorflow()
    print(
        f"| data | base | images | {' | '.join(f'{share:.0%}' for share in SHARES)} |\n|{'---|' * (3 + len(SHARES))}",
        flush=True,
    )
    for data in given.data:
        for base in given.bases:
            cache = given.out / Path(data).name / "cache"
            manifest = some_of(pipeline.scan(data, cache=cache), 2000, 1000)
            done = pipeline.extract(manifest, base=base, size=given.size, cache=cache)
            cells = [f"{recall:.3f}" for recall in recalls(StoredRows(done.store, done.keys(), "avg", 50_000))]
            print(f"| {Path(data).name} | {base} | {len(done.keys()):,} | {' | '.join(cells)} |", flush=True)


def recalls(rows: StoredRows) -> list[float]:
    """The recall for each share."""
    unit, numbers = unit_length(rows[:]), np.arange(len(rows))
    exact, found = find_nearest(unit, unit, K, blocks=(numbers, numbers)).images, build_index(rows)
    result = []
    for share in SHARES:
        module.PROBED = share
        near = Index(found).search(unit, K + 1).images
        pairs = zip(numbers.tolist(), exact, near, strict=True)
        result.append(float(np.mean([len(set(true) & (set(own) - {image})) / K for image, true, own in pairs])))
    return result


if __name__ == "__main__":
    main()
