"""Do joined bases help? Heads on pooled rows of single bases and of all of them, compared on the same validation images.

In brackets: images gained and lost by the joined base against the best single one (by validation accuracy with the same head), and the
p-value of McNemar's exact test.

    python benchmarks/studies/joined.py --data photos [more photos] --out study/joined
"""

import argparse
from pathlib import Path

from _paired import HEADS, accuracy, compared, labelled_rightly, some_of

import pipeline
from pipeline.quiet import quiet_tensorflow


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--bases", nargs="+", default=["squeezenet", "mobilenetv2", "vgg16"])
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--heads", nargs="+", default=HEADS)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--validation", type=int, default=1000)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    quiet_tensorflow()
    both = "+".join(given.bases)
    print(f"| data | head | {' | '.join(given.bases)} | {both} |", flush=True)
    print("|---" * (len(given.bases) + 3) + "|", flush=True)
    for data in given.data:
        name, out = Path(data).name, given.out / Path(data).name
        manifest = some_of(pipeline.scan(data, cache=out / "cache"), given.train, given.validation)
        for head in given.heads:
            right = {
                base: labelled_rightly(manifest, head, out, f"{base}-{head}", base=base, size=given.size)
                for base in (*given.bases, both)
            }
            best = max(given.bases, key=lambda base: accuracy(right[base]))
            singles = [f"{accuracy(right[base]):.3f}" for base in given.bases]
            print(f"| {' | '.join([name, head, *singles, compared(right[both], right[best])])} |", flush=True)


if __name__ == "__main__":
    main()
