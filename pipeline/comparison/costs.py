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
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.dense.train import compile_inference, make_group, make_steps
from pipeline.stage_two.spec import DenseSpec
from pipeline.training.finetune.tail import Top, build_top

_BATCH, _REPEATS = 32, 3
_NUM_STEPS = 1000
"""Of the training whose step is timed; it decides whether the update of the weights is worth compiling."""


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
    base: keras.Model, first: str | None, spec: DenseSpec, num_classes: int, *, pooling: str = "none"
) -> Costs:
    """Time the two sides of the cut.

    Args:
        base: With its weights. The steps change them, so do not use it afterwards.
        first: First trained layer of the base; None trains a head on its last layer.
        spec: The head.
        num_classes: Number of classes.
        pooling: Between the base's last layer and the head.
    """
    first = None if first is None else first_layer(base, first)
    cut = str(base.layers[-1].name) if first is None else cut_before(base, first)
    top = build_top(base, cut, spec, pooling=pooling, num_classes=num_classes, seed=0)
    top.unfreeze(first)
    pixels = tf.constant(np.random.default_rng(0).normal(0, 50, (_BATCH, *base.input_shape[1:])).astype(np.float32))
    y = tf.constant(np.arange(_BATCH) % num_classes)
    trunk = compile_inference(top.trunk)
    rows = trunk(pixels)
    step, infer = _step_of(top), compile_inference(top.forward)
    return Costs(
        trunk=_seconds(lambda: trunk(pixels)), step=_seconds(lambda: step(rows, y)), infer=_seconds(lambda: infer(rows))
    )


def _step_of(top: Top) -> Callable[[tf.Tensor, tf.Tensor], Any]:
    groups = [
        make_group(variables, Training())
        for variables in (top.head.trainable_variables, top.tail_variables)
        if variables
    ]
    for group in groups:
        group.optimizer.build(group.variables)
    return make_steps(top.forward, groups, top.model.output_shape[-1], _BATCH, _NUM_STEPS)


def _seconds(work: Callable[[], Any]) -> float:
    """Median per image; the first call compiles, and is not counted."""
    taken = []
    for _ in range(_REPEATS + 1):
        start = time.perf_counter()
        tf.nest.map_structure(lambda tensor: tensor.numpy(), work())
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:]) / _BATCH
