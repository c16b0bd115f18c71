"""25 values of C for a logistic regression on features of (2000, 8192), against scikit-learn's GridSearchCV.

Both fit each value on the training rows and judge it on the same 1,000 validation rows; standardized features. scikit-learn uses
lbfgs with at most 300 iterations. With --data the rows are VGG16's of real photographs (150 px), otherwise they are made.

    python benchmarks/linear_path.py [--data cats_and_dogs_small] [--repeats 2]
"""

import argparse
import os
import warnings
from pathlib import Path

import numpy as np
from _turns import in_turns, ratio, say
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import pipeline
from pipeline.stage_two.linear.fit import fit_linear
from pipeline.stage_two.rows import LabelledRows, Split, load_rows
from pipeline.stage_two.spec import LinearSpec
from pipeline.tasks.classification import Classification

VALUES = tuple(float(value) for value in np.logspace(-6, 1, 25))


def make_task() -> LabelledRows:
    """Two clouds that overlap, in 8,192 columns of which few tell them apart."""
    rng = np.random.default_rng(0)
    direction = rng.normal(size=8192) * (rng.random(8192) < 0.02)
    splits = {}
    for name, count in (("train", 2000), ("validation", 1000)):
        y = np.arange(count) % 2
        X = np.maximum(rng.normal(-0.5, 1, (count, 8192)) + np.outer(2 * y - 1, direction) * 0.15, 0)
        splits[name] = Split(X.astype(np.float32), y, tuple(map(str, range(count))))
    return LabelledRows(Classification(("a", "b")), splits)


def photographs(data: str, cache: Path) -> LabelledRows:
    """Rows of VGG16 at 150 px."""
    done = pipeline.extract(data, size=150, cache=cache, progress=True)
    return load_rows(done.manifest, done.store)


def main() -> None:
    """In turns, and the accuracies side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"))
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    parser.add_argument("--repeats", type=int, default=2)
    given = parser.parse_args()
    is_real = given.data and Path(given.data).is_dir()
    task = photographs(given.data, given.cache) if is_real else make_task()
    accuracies: dict[str, list[float]] = {}

    def ours() -> None:
        fit = fit_linear(LinearSpec("logreg", VALUES, "standard"), task)
        accuracies["ours"] = [entry.accuracy for entry in fit.candidates]

    def theirs() -> None:
        X = np.concatenate([task.train.flat, task.validation.flat])
        y = np.concatenate([task.train.y, task.validation.y])
        folds = PredefinedSplit(np.repeat([-1, 0], [len(task.train), len(task.validation)]))
        search = GridSearchCV(
            make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
            {"logisticregression__C": VALUES},
            cv=folds,
            refit=False,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            search.fit(X, y)
        accuracies["theirs"] = search.cv_results_["mean_test_score"].tolist()

    seconds = in_turns({"GridSearchCV": theirs, "ours": ours}, given.repeats)
    difference = float(np.abs(np.array(accuracies["ours"]) - np.array(accuracies["theirs"])).max())
    print(f"largest difference of an accuracy: {difference:.4f}; best {max(accuracies['ours']):.4f}")
    say(
        f"25 values of C on {task.train.flat.shape}",
        seconds,
        {"ours against GridSearchCV": (ratio(seconds, "GridSearchCV", "ours"), 5.0)},
        largest_difference_of_an_accuracy=difference,
        data="photographs" if is_real else "made",
    )


if __name__ == "__main__":
    main()
