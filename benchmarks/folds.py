"""25 values of the regularisation in 5 folds on features of (2000, 8192), against scikit-learn's cross_val_score for each value.

Ridge and logistic regression, the same folds, standardized features. Ours scores each value as a head of its own, and in addition a head
that chooses among the values within each fold. scikit-learn scales the features of each fold's training part; ours scales all rows once,
without labels. Its logistic regression uses lbfgs with at most 300 iterations. With --data the rows are VGG16's of real images
(150 px), otherwise they are made.

    python benchmarks/folds.py [--data cats_and_dogs_small] [--heads ridge,logreg] [--repeats 1]
"""

import argparse
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _turns import in_turns, ratio, say
from linear_path import VALUES, make_task, photographs
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.stage_two.folds import Division, Folds, divide
from pipeline.stage_two.linear.fold_path import cross_validate_linear
from pipeline.stage_two.rows import LabelledRows
from pipeline.stage_two.spec import LINEAR_GRIDS, parse_head

PEERS: dict[str, tuple[tuple[float, ...], Callable[[float], Any], float]] = {
    "ridge": (LINEAR_GRIDS["ridge"][1], lambda alpha: RidgeClassifier(alpha=alpha), 5.0),
    "logreg": (VALUES, lambda C: LogisticRegression(C=C, max_iter=300), 3.0),
}
"""Values, scikit-learn's estimator, and how many times as fast ours should be."""


def measure(kind: str, division: Division, repeats: int, data: str) -> None:
    """Both in turns, and their accuracies side by side."""
    values, peer, goal = PEERS[kind]
    spec = replace(parse_head(kind), values=values)
    accuracies: dict[str, Any] = {}

    def ours() -> None:
        heads = [replace(spec, values=(value,)) for value in values]
        *grid, chosen = cross_validate_linear([*heads, spec], division, with_rows=False)
        accuracies["ours"], accuracies["chosen"] = np.array([each.scores for each in grid]), chosen.mean

    def theirs() -> None:
        X, y = division.whole.flat, division.whole.y
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            accuracies["theirs"] = np.array(
                [cross_val_score(make_pipeline(StandardScaler(), peer(v)), X, y, cv=division.parts) for v in values]
            )

    seconds = in_turns({"ours": ours, "cross_val_score": theirs}, repeats)
    images = np.array([len(held) for _, held in division.parts])
    difference = np.abs(accuracies["ours"] - accuracies["theirs"]) * images
    best = {name: float(accuracies[name].mean(axis=1).max()) for name in ("ours", "theirs")}
    print(
        f"{kind}: at most {difference.max():.0f} images of a fold differ, {difference.mean():.2f} on average; best {best}"
    )
    say(
        f"{kind}: {len(values)} values in {len(division.parts)} folds of {division.whole.flat.shape}",
        seconds,
        {"ours against cross_val_score": (ratio(seconds, "cross_val_score", "ours"), goal)},
        most_images_that_differ=float(difference.max()),
        mean_images_that_differ=float(difference.mean()),
        best=best,
        chosen_within_folds=accuracies["chosen"],
        data=data,
    )


def main() -> None:
    """Each kind of head."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"))
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    parser.add_argument("--heads", default=",".join(PEERS))
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    is_real = given.data and Path(given.data).is_dir()
    labelled = photographs(given.data, given.cache) if is_real else make_task()
    division = divide(LabelledRows(labelled.task, {"train": labelled.train}), Folds(5))
    for kind in given.heads.split(","):
        measure(kind, division, given.repeats, "images" if is_real else "made")


if __name__ == "__main__":
    main()
