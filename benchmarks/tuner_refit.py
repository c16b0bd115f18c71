"""How long the tuner's page waits for a head: refits through its session, at 4,000 and 40,000 pooled rows.

Rows are the average-pooled features of real photographs (VGG16 at 150 px, 512 numbers each), three quarters of them for training
and the rest for validation. The 40,000 rows are no 40,000 photographs: each photograph's row stands there several times, within
its split, each time under 5 % of noise of its own; so do those of the 4,000 where there are fewer photographs. Accuracies mean
nothing here, times do. A change of the regularisation goes to a value that was not fitted before, a change of the training set's
size to a size that was not seen, a relabelling to an image that was not relabelled; the first fit of a head (which imports
scikit-learn, and factors) is shown beside them. "with curve" is until the learning curve is drawn anew too. "suspects" is the time until the
queue of suspect labels is ranked, with the 24 that are shown and their neighbours, after the label of one was corrected or confirmed.

    python benchmarks/tuner_refit.py --data photos [--rows 4000 40000] [--repeats 7]
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from _turns import say

import pipeline
from pipeline.images.manifest import Contents, Manifest
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.tasks.classification import Classification
from pipeline.tuner.choice import Choice, stops_of
from pipeline.tuner.labels import LabelFile
from pipeline.tuner.session import Session

HEADS = ("logreg", "ridge")
NOISE = 0.05
SHOWN = 24
"""Suspect labels that the page shows at once."""


def make_session(X: np.ndarray, labels: np.ndarray, count: int, folder: Path) -> Session:
    """So many rows of these photographs, (N, D), in a session whose label file is in a folder."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(X))
    classes, y = np.unique(labels, return_inverse=True)
    parts = {"train": order[len(X) // 4 :], "validation": order[: len(X) // 4]}
    splits, names = {}, []
    for split, part in parts.items():
        size = count - count // 4 if split == "train" else count // 4
        places = part[np.arange(size) % len(part)]
        noise = rng.normal(1, NOISE, (size, X.shape[1])).astype(np.float32)
        noise[: len(part)] = 1  # the first time a photograph's row is as it is
        splits[split] = Split(X[places] * noise, y[places], tuple(f"{split}/{number}" for number in range(size)))
        names += [(f"{split}/{number}", str(classes[y[place]]), split) for number, place in enumerate(places)]
    task = LabelledRows(Classification(tuple(map(str, classes))), splits)
    columns = tuple(zip(*names, strict=True))
    digests = tuple(hashlib.sha256(name.encode()).digest() for name in columns[0])
    manifest = Manifest(Contents(()), tuple(range(len(names))), columns[0], digests, columns[1], columns[2])
    return Session(manifest, lambda _: task, LabelFile(folder / f"{count}.csv"))


def wait(session: Session, choice: Choice) -> tuple[float, float]:
    """Seconds until the scores are there, and until the curve is."""
    start = time.perf_counter()
    session.refit(choice)
    scores = time.perf_counter() - start
    list(session.curve(choice))
    return scores, time.perf_counter() - start


def measure(session: Session, head: str, repeats: int) -> dict[str, list[tuple[float, float]]]:
    """Waits by what was changed."""
    stops = stops_of(head)
    choice = Choice(head, stops[len(stops) // 2])
    most, other = session.num_available(choice), dict(zip(session.classes, reversed(session.classes), strict=True))
    waits: dict[str, list[tuple[float, float]]] = {"first": [wait(session, choice)]}
    for number in range(repeats):
        moved = replace(choice, value=stops[len(stops) // 2 - 1 - number])
        waits.setdefault("regularisation", []).append(wait(session, moved))
        smaller = replace(choice, num_train=round(most * (0.5 + 0.4 * number / repeats)) + 1)
        waits.setdefault("training-set size", []).append(wait(session, smaller))
        row = 17 * number + HEADS.index(head)
        start = time.perf_counter()
        session.relabel(row, other[session.manifest.labels[row]])
        kept = time.perf_counter() - start
        scores, curve = wait(session, choice)
        waits.setdefault("relabel", []).append((kept + scores, kept + curve))
    return waits


def measure_queue(session: Session, repeats: int) -> dict[str, list[float]]:
    """Seconds until the suspect labels are ranked: at first, and after a label was corrected, with and without its table; or confirmed."""
    choice, seconds = Choice(), {}
    start = time.perf_counter()
    suspects = session.suspects(choice, SHOWN)
    seconds["suspects: first"] = [time.perf_counter() - start]
    for _ in range(repeats):
        suspect = suspects.shown[len(suspects.shown) // 2]
        start = time.perf_counter()
        session.relabel(suspect.image.row, suspect.likely)
        written = time.perf_counter()
        suspects = session.suspects(choice, SHOWN)
        seconds.setdefault("suspects: relabel", []).append(time.perf_counter() - start)
        seconds.setdefault("suspects: relabel, without the table", []).append(time.perf_counter() - written)
        start = time.perf_counter()
        session.confirm(int(suspects.rows[0]))
        suspects = session.suspects(choice, SHOWN)
        seconds.setdefault("suspects: confirm", []).append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """All heads at all sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default=os.environ.get("DATA"))
    parser.add_argument("--cache", type=Path, default=Path("features_cache"))
    parser.add_argument("--rows", type=int, nargs="+", default=[4_000, 40_000])
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    if not given.data or not Path(given.data).is_dir():
        print("tuner_refit: give --data FOLDER (make bench DATA=photos); nothing measured.")
        return
    done = pipeline.extract(given.data, size=150, cache=given.cache, progress=True)
    X, labels = done.store.read(done.keys(), pooling="avg"), np.array(done.manifest.labels)
    for count in given.rows:
        seconds: dict[str, list[float]] = {}
        with tempfile.TemporaryDirectory() as folder:
            session = make_session(X, labels, count, Path(folder))
            for head in HEADS:
                for change, waits in measure(session, head, given.repeats).items():
                    seconds[f"{head}: {change}"] = [scores for scores, _ in waits]
                    seconds[f"{head}: {change}, with curve"] = [curve for _, curve in waits]
            ranked = measure_queue(session, given.repeats)
        goals = {
            f"50 ms against {name}": (0.05 / statistics.median(values), 1.0)
            for name, values in ranked.items()
            if "first" not in name
        } | {
            f"a second against {name}": (1 / statistics.median(values), 1.0)
            for name, values in seconds.items()
            if "first" not in name and "curve" not in name
        }
        say(f"the tuner's refits, {count:,} rows of {X.shape[1]}", seconds | ranked, goals, photographs=len(X))


if __name__ == "__main__":
    main()
