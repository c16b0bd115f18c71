"""Tasks that are made: clouds of points around one centre a class, far enough apart to be told apart."""

from collections.abc import Sequence

import numpy as np

from pipeline.stage_two.rows import Split, Task

CLASSES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu")


def make_task(
    shape: Sequence[int] = (6,),
    *,
    num_classes: int = 3,
    num_train: int = 90,
    distance: float = 4.0,
    with_test: bool = True,
) -> Task:
    """Features of this shape: a class's centre plus noise of deviation 1, the same at every call."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(num_classes, *shape)) * distance / np.sqrt(np.prod(shape))
    counts = {"train": num_train, "validation": 60, "test": 60}
    splits = {}
    for name, count in counts.items():
        y = np.arange(count) % num_classes
        X = (centres[y] + rng.normal(size=(count, *shape)) / np.sqrt(np.prod(shape))).astype(np.float32)
        splits[name] = Split(X, y.astype(np.int64), tuple(f"{name}/{number}" for number in range(count)))
    if not with_test:
        del splits["test"]
    return Task(CLASSES[:num_classes], splits)
