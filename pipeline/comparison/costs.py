"""Seconds per image on this machine: forward passes and training steps, each timed a few times on one batch."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pipeline.bases.cut import cut_before, first_layer
from pipeline.stage_two.dense.measures import Measure, measure_of
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.dense.train import Steps, compile_inference, make_group, make_steps
from pipeline.stage_two.spec import DenseSpec
from pipeline.tasks.classification import Classification
from pipeline.training.finetune.tail import Top, build_top

_BATCH, _REPEATS = 32, 3
_NUM_STEPS = 1000
"""Of the training whose step is timed; it decides whether the update of the weights is worth compiling."""
_ENOUGH_SECONDS = 2.0
"""After so many seconds of measured calls, no further one is made."""


@dataclass(frozen=True)
class Costs:
    """Seconds per image."""

    trunk: float
    """Forward pass of the frozen part."""

    step: float
    """Training step of the part after the cut, forward and backward."""

    infer: float
    """Forward pass of the part after the cut."""


def measure_costs(
    base: keras.Model,
    first: str | None,
    spec: DenseSpec,
    num_classes: int,
    *,
    pooling: str = "none",
    trunk_seconds: float | None = None,
) -> Costs:
    """Time the two sides of the cut.

    Args:
        base: With its weights. The steps change them, so do not use it afterwards.
        first: First trained layer of the base; None trains a head on its last layer.
        spec: The head.
        num_classes: Number of classes.
        pooling: Between the base's last layer and the head.
        trunk_seconds: Per image, where it is known; None: measured.
    """
    first = None if first is None else first_layer(base, first)
    cut = str(base.layers[-1].name) if first is None else cut_before(base, first)
    task = Classification(tuple(map(str, range(num_classes))))
    top = build_top(base, cut, spec, pooling=pooling, task=task, seed=0)
    top.unfreeze(first)
    rng = np.random.default_rng(0)
    y, weights = np.arange(_BATCH) % num_classes, tf.ones(_BATCH)
    rows = _noise(rng, top.trunk.output_shape)
    if trunk_seconds is None:
        pixels, trunk = _noise(rng, base.input_shape), compile_inference(top.trunk)
        trunk_seconds = _seconds(lambda: trunk(pixels))
    step, infer = _step_of(top, measure_of(task, top.model.output_shape[-1], y)), compile_inference(top.forward)
    return Costs(
        trunk=trunk_seconds,
        step=_seconds(lambda: step(rows, tf.constant(y), weights)),
        infer=_seconds(lambda: infer(rows)),
    )


def _noise(rng: np.random.Generator, shape: tuple[Any, ...]) -> tf.Tensor:
    """A batch of random values: how long a step takes does not depend on them."""
    return tf.constant(rng.normal(0, 50, (_BATCH, *shape[1:])).astype(np.float32))


def _step_of(top: Top, measure: Measure) -> Steps:
    groups = [
        make_group(variables, Training())
        for variables in (top.head.trainable_variables, top.tail_variables)
        if variables
    ]
    for group in groups:
        group.optimizer.build(group.variables)
    return make_steps(top.forward, groups, measure, _BATCH, _NUM_STEPS)


def _seconds(work: Callable[[], Any]) -> float:
    """Median per image of up to three calls, fewer where they take seconds; the first call compiles, and is not counted."""
    taken: list[float] = []
    while len(taken) <= _REPEATS and sum(taken[1:]) < _ENOUGH_SECONDS:
        start = time.perf_counter()
        tf.nest.map_structure(lambda tensor: tensor.numpy(), work())
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:]) / _BATCH
