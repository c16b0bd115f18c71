"""Regression on the rows of several bases, cuts, poolings and heads. The best by validation is named; test is looked at, not chosen by.

python benchmarks/studies/measured_values.py --data solar_cells/labels.csv --label defect_probability --out study/numbers
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import pipeline
from pipeline.quiet import quiet_tensorflow
from pipeline.tasks.value_scores import ValueScores


@dataclass(frozen=True)
class Try:
    """One head on rows of one kind."""

    base: str
    size: int
    head: str = "ridge"
    pool: str = "avg"
    cut: str | None = None
    loss: str = "mse"

    @property
    def words(self) -> list[str]:
        head = self.head if self.loss == "mse" else f"{self.head}, {self.loss}"
        return [f"{self.base} {self.size} px", self.cut or "-", self.pool, head]


DENSE = "dense:256,relu,dropout:0.5"
TRIES = (
    Try("mobilenetv2", 224),
    Try("mobilenetv2", 224, pool="max"),
    Try("mobilenetv2", 224, cut="block_13_expand_relu"),
    Try("mobilenetv2", 224, cut="block_13_expand_relu", pool="max"),
    Try("mobilenetv2", 224, pool="none"),
    Try("mobilenetv2", 224, head="knn"),
    Try("mobilenetv2", 224, head="sgd"),
    *(Try("mobilenetv2", 224, head=DENSE, loss=loss) for loss in ("mse", "mae", "huber")),
    Try("vgg16", 150, cut="block4_pool"),
    Try("vgg16", 150, cut="block4_pool", pool="max"),
    Try("vgg16", 150),
    Try("vgg16", 150, pool="max"),
    Try("vgg16", 150, pool="none"),
    Try("vgg16+mobilenetv2", 150),
    *(Try("vgg16+mobilenetv2", 150, head=DENSE, loss=loss) for loss in ("mse", "mae", "huber")),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    quiet_tensorflow()
    where = {"cache": given.out / "cache", "runs": given.out / "runs", "progress": False}
    manifest = pipeline.scan(given.data, label=given.label, task="regression", cache=given.out / "cache")
    print(manifest, flush=True)
    columns = [
        "base",
        "cut",
        "pool",
        "head",
        "validation R2",
        "test R2",
        "test MAE",
        "MAE of the mean",
        "coverage of 90 %",
    ]
    print(f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|", flush=True)
    reached: dict[Try, float] = {}
    for one in TRIES:
        run = pipeline.fit(
            manifest,
            one.head,
            base=one.base,
            size=one.size,
            cut=one.cut,
            pool=one.pool,
            loss=one.loss,
            plots=False,
            **where,
        )
        validation, test = run.scores["validation"], run.scores["test"]
        if not isinstance(validation, ValueScores) or not isinstance(test, ValueScores):
            raise TypeError("the data is no regression")
        (each,) = test.columns.values()
        (low, high), (mae_low, mae_high) = test.ci95, each.mae_ci95
        reached[one] = validation.r2
        values = [
            f"{validation.r2:.3f}",
            f"{test.r2:.3f} [{low:.3f}, {high:.3f}]",
            f"{each.mae:.3f} [{mae_low:.3f}, {mae_high:.3f}]",
            f"{each.mean_mae:.3f}",
            f"{each.coverage:.3f}",
        ]
        print(f"| {' | '.join(one.words + values)} |", flush=True)
    best = max(reached, key=lambda one: reached[one])
    print(f"The best by validation: {', '.join(best.words)}.", flush=True)


if __name__ == "__main__":
    main()
