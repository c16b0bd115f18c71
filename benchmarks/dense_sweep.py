"""A sweep of 20 dense heads, against 20 trainings with Keras's `fit`, one after another.

Heads of 32 to 256 units, two dropout rates, learning rates 1e-4 and 1e-3, 10 epochs on 2,000 rows of (4, 4, 512).

    python benchmarks/dense_sweep.py [--repeats 1]
"""

import argparse
import tempfile
from pathlib import Path

import keras
from _turns import in_turns, ratio, say
from head_epoch import make_task

from pipeline.execution.workers import Workers
from pipeline.stage_two.dense.build import build_head
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.grid import Grid
from pipeline.stage_two.spec import parse_layers
from pipeline.stage_two.sweep import run_sweep
from pipeline.tasks.classification import Classification

HEADS = ["dense:32|64|128|192|256,relu,dropout:0.3|0.5"]
TRAINING = Training(epochs=10, batch_size=32, keep="last")


def main() -> None:
    """In turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1)
    given = parser.parse_args()
    task = make_task()
    cells = Grid(HEADS, TRAINING, learning_rates=[1e-4, 1e-3]).cells(Classification(("a", "b")))

    def stock() -> None:
        for cell in cells:
            keras.utils.set_random_seed(0)
            model = build_head(parse_layers(cell.head), (4, 4, 512), Classification(("a", "b")))
            model.compile(
                keras.optimizers.Adam(cell.training.learning_rate), "binary_crossentropy", metrics=["accuracy"]
            )
            validation = (task.validation.X, task.validation.y)
            model.fit(task.train.X, task.train.y, batch_size=32, epochs=10, validation_data=validation, verbose=0)

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            results = run_sweep(cells, task, Path(folder), task_digest="made", workers=Workers())
        assert len(results) == len(cells) == 20

    seconds = in_turns({"20 trainings with fit": stock, "sweep": ours}, given.repeats)
    say("20 dense heads", seconds, {"sweep against fit": (ratio(seconds, "20 trainings with fit", "sweep"), 3.0)})


if __name__ == "__main__":
    main()
