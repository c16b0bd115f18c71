"""How long is an epoch of recipe R0's dense head, against stock Keras on arrays in memory?

Both train on 2,000 rows of (4, 4, 512) in batches of 20 with RMSprop, dropout included, and watch 1,000 rows.
The values of the rows do not matter for the time; about three quarters of them are zeros, as after a ReLU.

    python benchmarks/head_epoch.py [--epochs 10] [--repeats 3]
"""

import argparse
import statistics
import time
from dataclasses import replace

import keras
import numpy as np
from _turns import in_turns, ratio, say

from pipeline.stage_two.dense.build import build_head, fit_dense
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.rows import LabelledRows, Split
from pipeline.stage_two.spec import parse_layers
from pipeline.tasks.classification import Classification

SPEC = parse_layers("dense:256,relu,dropout:0.5")
TRAINING = Training(batch_size=20, learning_rate=2e-5, optimizer="rmsprop", keep="last")


def make_task() -> LabelledRows:
    """Rows of noise cut at zero."""
    rng = np.random.default_rng(0)
    splits = {}
    for name, count in (("train", 2000), ("validation", 1000)):
        X = np.maximum(rng.normal(-0.7, 1, (count, 4, 4, 512)), 0).astype(np.float32)
        splits[name] = Split(X, np.arange(count) % 2, tuple(map(str, range(count))))
    return LabelledRows(Classification(("a", "b")), splits)


def stock(task: LabelledRows, epochs: int) -> float:
    """Seconds of an epoch of `fit`, the first of them, which compiles, left out."""
    model = build_head(SPEC, (4, 4, 512), Classification(("a", "b")))
    model.compile(keras.optimizers.RMSprop(2e-5), "binary_crossentropy", metrics=["accuracy"])
    watch = Stopwatch()
    train, validation = task.train, task.validation
    model.fit(
        train.X,
        train.y,
        batch_size=20,
        epochs=epochs,
        validation_data=(validation.X, validation.y),
        callbacks=[watch],
        verbose=0,
    )
    return watch.median()


class Stopwatch(keras.callbacks.Callback):
    """Seconds of each epoch, validation included."""

    def on_train_begin(self, logs: object = None) -> None:
        self.times: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.times.append(time.perf_counter() - self.start)

    def median(self) -> float:
        return statistics.median(self.times[1:])


def ours(task: LabelledRows, epochs: int) -> float:
    """The same of our trainer."""
    history = fit_dense(SPEC, task, replace(TRAINING, epochs=epochs)).history
    return statistics.median(row["seconds"] for row in history[1:])


def main() -> None:
    """In turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    task = make_task()
    seconds = in_turns(
        {"stock fit": lambda: stock(task, given.epochs), "ours": lambda: ours(task, given.epochs)}, given.repeats
    )
    say("an epoch of R0's head", seconds, {"ours against stock fit": (ratio(seconds, "stock fit", "ours"), 2.5)})


if __name__ == "__main__":
    main()
