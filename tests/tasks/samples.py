"""A task of each kind, with random outputs."""

import numpy as np

from pipeline.tasks.classification import Classification
from pipeline.tasks.multilabel import Multilabel
from pipeline.tasks.regression import Regression
from pipeline.tasks.targets import Outputs, Targets
from pipeline.tasks.task import Task

TASKS: tuple[Task, ...] = (
    Classification(("ant", "bee", "cat")),
    Classification(("ant", "bee")),
    Multilabel(("ant", "bee", "cat")),
    Regression(("height", "width")),
    Regression(("price",)),
)


def name_of(task: Task) -> str:
    """For the names of tests."""
    return f"{task.kind}-{len(task.names)}"


def make_targets(task: Task, count: int, seed: int = 0) -> Targets:
    """Random targets, some of which are not known where that is possible."""
    rng, shape = np.random.default_rng(seed), (count, len(task.names))
    if task.link == "softmax":
        return rng.integers(0, len(task.names), count)
    values = rng.integers(0, 2, shape).astype(np.float32) if task.link == "sigmoid" else rng.normal(5, 3, shape)
    values[rng.random(shape) < 0.2] = np.nan
    values[0] = 1
    return values.astype(np.float32)


def make_outputs(task: Task, count: int, seed: int = 1) -> Outputs:
    """Random outputs."""
    rng, shape = np.random.default_rng(seed), (count, len(task.names))
    if task.link == "softmax":
        return rng.dirichlet(np.ones(shape[1]), count).astype(np.float32)
    return (rng.random(shape) if task.link == "sigmoid" else rng.normal(5, 3, shape)).astype(np.float32)
