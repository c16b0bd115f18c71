"""Which labels are wrong? The area under the ROC curve (AUROC) of finding flipped labels, by several heads and scores.

A part of the labels is changed: to any other class (uniform), or to the class with which the class is confused most (pair). Each image is
judged by ridge without it (leave-one-out, as `bottleneck audit` does), by logistic regression in five folds, and by logistic regression
that was trained on it (in-sample). Scores, with q = p(most likely other class) and p = p(label): audit = q / p^2, as the command ranks,
ratio = q / p, self = 1 / p, which ranks as cross-entropy does, and margin = q - p. Means over the seeds.

    python benchmarks/studies/audit.py --data photos [more photos] --out study/audit
"""

import argparse
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from _paired import some_of
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import pipeline
from pipeline.insight.left_out import leave_out_ridge
from pipeline.insight.suspects import suspicion
from pipeline.insight.whole import Whole, whole_of
from pipeline.quiet import quiet_tensorflow
from pipeline.settings import Settings
from pipeline.stage_two.spec import parse_head
from pipeline.training.rows import read_rows

SHARES = (0.05, 0.1, 0.2)
C = 0.01
"""Of the logistic regression: that of `cross_validated_accuracy`."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--bases", nargs="+", default=["mobilenetv2", "vgg16"])
    parser.add_argument("--size", type=int, default=160)
    parser.add_argument("--train", type=int, default=2000)
    parser.add_argument("--validation", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    quiet_tensorflow()
    print(
        "| data | base | flips | ridge, audit | ridge, ratio | ridge, self | ridge, margin | 5 folds, best | in-sample, best |",
        flush=True,
    )
    print("|---" * 9 + "|", flush=True)
    for data in given.data:
        name = Path(data).name
        for base in given.bases:
            cache = given.out / name / "cache"
            manifest = some_of(pipeline.scan(data, cache=cache), given.train, given.validation)
            settings = Settings.of(base=base, size=given.size, cache=cache)
            whole = whole_of(read_rows(manifest, "avg", settings).labelled)
            study(name, base, whole, given.seeds)


def study(name: str, base: str, whole: Whole, num_seeds: int) -> None:
    """Print a row for each kind and share of flips."""
    confused = likeliest_pairs(whole)
    kinds = ("uniform", "pair") if len(whole.task.names) > 2 else ("uniform",)
    seconds: dict[str, float] = defaultdict(float)
    for kind in kinds:
        for share in SHARES:
            found: dict[str, list[float]] = defaultdict(list)
            for seed in range(num_seeds):
                y, flipped = flip(whole.y, share, seed, len(whole.task.names), confused if kind == "pair" else None)
                for way, outputs in judged(replace(whole, y=y), seconds).items():
                    for score, values in scores_of(outputs, y).items():
                        found[f"{way}, {score}"].append(auroc(values, flipped))
            mean = {key: float(np.mean(values)) for key, values in found.items()}
            cells = [f"{mean[f'ridge, {score}']:.4f}" for score in ("audit", "ratio", "self", "margin")]
            cells += [best_of(mean, way) for way in ("5 folds", "in-sample")]
            print(f"| {name} | {base} | {share:.0%}, {kind} | {' | '.join(cells)} |", flush=True)
    runs = len(kinds) * len(SHARES) * num_seeds
    print(f"<!-- seconds: {', '.join(f'{way} {value / runs:.2f}' for way, value in seconds.items())} -->", flush=True)


def judged(whole: Whole, seconds: dict[str, float]) -> dict[str, np.ndarray]:
    """Probabilities of each image by each way, and the seconds added to those of the way."""
    X, y = whole.plain, whole.y
    logistic = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=300))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    ways = {
        "ridge": lambda: leave_out_ridge(parse_head("ridge"), whole).outputs,
        "5 folds": lambda: cross_val_predict(logistic, X, y, cv=folds, method="predict_proba"),
        "in-sample": lambda: logistic.fit(X, y).predict_proba(X),
    }
    found = {}
    for way, run in ways.items():
        start = perf_counter()
        with threadpool_limits(1, user_api="blas"):
            found[way] = run()
        seconds[way] += perf_counter() - start
    return found


def scores_of(outputs: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """How suspect each label is, by each score."""
    images = np.arange(len(y))
    p, others = outputs[images, y], outputs.copy()
    others[images, y] = 0
    q = others.max(axis=1)
    ratio = np.log(np.maximum(q, 1e-30)) - np.log(np.maximum(p, 1e-30))
    return {"audit": suspicion(outputs, y), "ratio": ratio, "self": -p, "margin": q - p}


def best_of(mean: dict[str, float], way: str) -> str:
    """The best score of a way, with its name."""
    key = max((key for key in mean if key.startswith(f"{way}, ")), key=lambda key: mean[key])
    return f"{mean[key]:.4f} ({key.removeprefix(f'{way}, ')})"


def likeliest_pairs(whole: Whole) -> np.ndarray:
    """For each class the other one that its images get the highest probability of, by ridge without them."""
    outputs = leave_out_ridge(parse_head("ridge"), whole).outputs
    means = np.array([outputs[whole.y == label].mean(axis=0) for label in range(len(whole.task.names))])
    np.fill_diagonal(means, -1)
    return means.argmax(axis=1)


def flip(
    y: np.ndarray, share: float, seed: int, num_classes: int, confused: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of which a share is wrong, and which are."""
    rng = np.random.default_rng(seed)
    flipped = np.zeros(len(y), bool)
    flipped[rng.choice(len(y), round(share * len(y)), replace=False)] = True
    wrong = (y + rng.integers(1, num_classes, len(y))) % num_classes if confused is None else confused[y]
    return np.where(flipped, wrong, y), flipped


def auroc(values: np.ndarray, flipped: np.ndarray) -> float:
    """The probability that a flipped label is more suspect than another one; ties count half."""
    ranks, wrong = rankdata(values), int(flipped.sum())
    return float((ranks[flipped].sum() - wrong * (wrong + 1) / 2) / (wrong * (len(values) - wrong)))


if __name__ == "__main__":
    main()
