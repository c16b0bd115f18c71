"""Do rows computed in bfloat16 cost accuracy? Heads on rows of both arithmetics, compared on the same validation images.

Each base and size has two stores that differ in nothing but `--precision`. In brackets: images gained and lost against float32, and
the p-value of McNemar's exact test. Needs a processor with bfloat16, and OpenVINO.

    python benchmarks/studies/precision.py --data photos [more photos] [--bases squeezenet vgg16] [--size 96] --out study/precision
"""

import argparse
from pathlib import Path

from _paired import HEADS, Right, accuracy, compared, labelled_rightly, rightly, some_of

import pipeline
from pipeline.quiet import quiet_tensorflow

_DENSE = "dense:128,relu,dropout:0.5"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--bases", nargs="+", default=["squeezenet", "vgg16"])
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--heads", nargs="+", default=[*HEADS, _DENSE])
    parser.add_argument("--finetune", nargs="*", default=["vgg16:block5"], metavar="BASE:LAYER")
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--validation", type=int, default=1000)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    quiet_tensorflow()
    print("| data | base | size | head | float32 | bfloat16 |\n|---|---|---|---|---|---|", flush=True)
    for data in given.data:
        manifest = some_of(pipeline.scan(data, cache=given.out / "cache"), given.train, given.validation)
        name = Path(data).name
        for base in given.bases:
            for number, head in enumerate(given.heads):
                plain, lower = (
                    labelled_rightly(
                        manifest,
                        head,
                        given.out,
                        f"{name}-{base}-{precision}-{number}",
                        base=base,
                        size=given.size,
                        engine="openvino",
                        precision=precision,
                    )
                    for precision in ("float32", "bfloat16")
                )
                say(name, base, given.size, head, plain, lower)
        for base, first in (pair.split(":") for pair in given.finetune):
            tuned = [
                rightly(
                    pipeline.finetune(
                        manifest,
                        _DENSE,
                        from_layer=first,
                        cached=True,
                        head_epochs=10,
                        epochs=5,
                        base=base,
                        size=given.size,
                        engine="openvino",
                        precision=precision,
                        cache=given.out / "cache",
                        runs=given.out / "runs",
                        name=f"{name}-{base}-{precision}-tuned",
                        plots=False,
                    )
                )
                for precision in ("float32", "bfloat16")
            ]
            say(name, base, given.size, f"{_DENSE}, fine-tuned from {first}", *tuned)


def say(data: str, base: str, size: int, head: str, plain: Right, lower: Right) -> None:
    """A line of the table."""
    cells = (data, base, str(size), head, f"{accuracy(plain):.3f}", compared(lower, plain))
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
