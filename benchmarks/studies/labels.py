"""Several labels for each image: heads on the rows of one base, with the scores of the test images.

python benchmarks/studies/mosaics.py --data cifar10_small --out mosaics
python benchmarks/studies/labels.py --data mosaics/mosaics.csv --label classes --base vgg16 --size 64 --out study/labels
"""

import argparse
from pathlib import Path

import pipeline
from pipeline.quiet import quiet_tensorflow
from pipeline.tasks.label_scores import LabelScores

HEADS = ("ridge", "logreg", "sgd", "knn", "dense:256,relu,dropout:0.5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--label", default="label")
    parser.add_argument("--base", default="vgg16")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--pools", nargs="+", default=["avg", "none"])
    parser.add_argument("--heads", nargs="+", default=HEADS)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    quiet_tensorflow()
    places = {"cache": given.out / "cache", "runs": given.out / "runs", "progress": False}
    features = {"base": given.base, "size": given.size}
    manifest = pipeline.scan(given.data, label=given.label, task="multilabel", cache=given.out / "cache")
    columns = [
        "head",
        "pool",
        "validation mAP",
        "test mAP",
        "micro F1",
        "macro F1",
        "exact match",
        "seconds of training",
    ]
    print(f"{manifest}\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    for head in given.heads:
        for pool in given.pools:
            run = pipeline.fit(manifest, head, pool=pool, plots=False, **features, **places)
            validation, test = run.scores["validation"], run.scores["test"]
            if not isinstance(test, LabelScores):
                raise TypeError("the data has no several labels")
            low, high = test.ci95
            cells = [
                *(head, pool, f"{validation.main:.3f}", f"{test.main:.3f} [{low:.3f}, {high:.3f}]"),
                *(f"{test.micro_f1:.3f}", f"{test.macro_f1:.3f}", f"{test.exact_match:.3f}", f"{run.info.seconds:.2g}"),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
