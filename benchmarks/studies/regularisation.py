"""Which rule should choose the regularisation of a linear head? Accuracy and log loss on test images that no rule has seen.

Each head is fitted for all values of its regularisation, to all training images and to random shares of training and validation
images (small data is where the choice matters). Each rule then chooses one of these values; only the choice differs.

    accuracy       the most accurate value, equal ones by log loss (the rule until version 0.2)
    loss           the smallest log loss on validation
    significance   the smallest log loss among values that are not significantly less accurate than the most accurate one

    python benchmarks/studies/regularisation.py --data cats_and_dogs_small --base squeezenet --size 96 --cache features_cache
"""

import argparse
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

import pipeline
from pipeline.settings import Settings
from pipeline.stage_two.linear.fit import LinearFit, Point, choose, factors_of, fit_path
from pipeline.stage_two.linear.regularisation import choose_best
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import LinearSpec, parse_head
from pipeline.tasks.class_scores import score
from pipeline.training.rows import read_rows

RULES: Mapping[str, Callable[[Sequence[Point]], Point]] = {
    "accuracy": lambda points: min(points, key=lambda point: (-point.hits.mean(), point.loss)),
    "loss": lambda points: min(points, key=lambda point: point.loss),
    "significance": choose_best,
}


def thin(task: LabelledRows, share: float, seed: int) -> LabelledRows | None:
    """A random share of training and validation images, and all test images; None if a class has none of them."""
    rng = np.random.default_rng(seed)
    splits = {}
    for name, split in task.splits.items():
        rows = np.sort(rng.permutation(len(split.y))[: math.ceil(len(split.y) * (1 if name == "test" else share))])
        if len(np.unique(split.y[rows])) < len(task.classes):
            return None
        splits[name] = Split(split.flat[rows], split.y[rows], ())
    return LabelledRows(task.task, splits)


def judge_rules(text: str, task: LabelledRows) -> Iterator[tuple[str, LinearFit, dict[str, float]]]:
    """The choice of each rule, with its accuracy and log loss on validation and test images."""
    spec = parse_head(text)
    if not isinstance(spec, LinearSpec):
        raise SystemExit(f"{text} has no regularisation to choose.")
    factors = factors_of(spec, task)
    points = fit_path(spec, factors, task)
    for rule, select in RULES.items():
        fit = choose(replace(spec, values=(select(points).value,)), points, factors)
        figures = {}
        for name in ("validation", "test"):
            split = task.splits[name]
            scores = score(fit.head.outputs(split.flat), split.y, task.classes)
            figures |= {f"{name}_accuracy": scores.accuracy, f"{name}_loss": scores.loss}
        yield rule, fit, figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--base", default="squeezenet")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--cache", default="features_cache", type=Path)
    parser.add_argument("--heads", nargs="+", default=["ridge", "logreg", "svm", "lda", "knn"])
    parser.add_argument(
        "--images", nargs="+", type=int, default=[200, 500, 0], help="Of training and validation; 0: all."
    )
    parser.add_argument("--seeds", type=int, default=5, help="Random shares of each size.")
    given = parser.parse_args()
    settings = Settings.of(base=given.base, size=given.size, cache=given.cache)
    manifest = pipeline.scan(given.data, cache=given.cache)
    whole = read_rows(manifest, "avg", settings).task
    num_images = len(whole.train.y) + len(whole.validation.y)
    found: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
    for count in given.images:
        share = min(1.0, count / num_images) if count else 1.0
        for seed in range(given.seeds if share < 1 else 1):
            task = thin(whole, share, seed)
            for head in given.heads if task else ():
                for rule, fit, figures in judge_rules(head, task):
                    found.setdefault((head, count or num_images, rule), []).append({"value": fit.value, **figures})
    print(
        f"\n{manifest.title}, {given.base}, {given.size} px: {len(whole.splits['test'].y)} test images, means of the seeds"
    )
    print("| head | images | rule | chosen | validation | loss | test | loss |\n|---|---|---|---|---|---|---|---|")
    for (head, count, rule), entries in found.items():
        values = ", ".join(f"{value:g}" for value in sorted({entry["value"] for entry in entries}))
        names = ("validation_accuracy", "validation_loss", "test_accuracy", "test_loss")
        means = " | ".join(f"{fmean(entry[name] for entry in entries):.4f}" for name in names)
        print(f"| {head} | {count} | {rule} | {values} | {means} |")
    print(
        json.dumps(
            {
                "data": manifest.title,
                "base": given.base,
                "size": given.size,
                "found": [[*key, entries] for key, entries in found.items()],
            }
        )
    )


if __name__ == "__main__":
    main()
