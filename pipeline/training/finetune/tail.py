"""Tail and head as one model on the rows at the cut; fine-tuning trains this model, on cached rows or live images."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from pipeline.bases.cut import divide
from pipeline.bases.digests import tensor_digest
from pipeline.bases.network import pool
from pipeline.errors import InvalidCutError
from pipeline.stage_two.dense.batches import Source
from pipeline.stage_two.dense.build import build_head
from pipeline.stage_two.dense.settings import OnEpoch, Training
from pipeline.stage_two.dense.train import Forward, make_group, train
from pipeline.stage_two.spec import DenseSpec
from pipeline.tasks.targets import Scaling
from pipeline.tasks.task import Task


@dataclass(frozen=True)
class Top:
    """The trunk, and tail and head on top of it."""

    trunk: keras.Model
    """Preprocessed pixels to rows; frozen."""

    tail: keras.Model | None
    """Rows to the base's last layer; None if the cut is the last layer."""

    pooling: str
    """Pooling between the base's last layer and the head: `none`, `avg` or `max`."""

    head: keras.Model
    """The base's last layer, pooled, to probabilities."""

    model: keras.Model
    """Tail, pooling and head as one model, for prediction and saving."""

    tail_layers: tuple[keras.Layer, ...]
    """Layers of the tail in graph order; those before the first trained layer are frozen."""

    def forward(self, rows: tf.Tensor, training: bool) -> tf.Tensor:
        """Rows to the head's output, for training.

        The tail runs in inference mode, so that its batch norm keeps its statistics. `model` cannot do that: a functional model
        passes its own `training` on to its layers, whatever a layer was built with.
        """
        features = rows if self.tail is None else self.tail(rows, training=False)
        return self.head(pool(features, self.pooling), training=training)

    def unfreeze(self, first: str | None) -> None:
        """Make the layers from `first` on trainable and freeze the others; None freezes all.

        Raises:
            InvalidCutError: The layer is not in the tail.
        """
        names = [layer.name for layer in self.tail_layers]
        if first is not None and first not in names:
            raise InvalidCutError(f"{first!r} is not in the tail. The tail is: {', '.join(names)}.")
        start = len(names) if first is None else names.index(first)
        for position, layer in enumerate(self.tail_layers):
            layer.trainable = position >= start

    @property
    def last_layer(self) -> str:
        """Name of the base's last layer."""
        return str((self.tail_layers or self.trunk.layers)[-1].name)

    @property
    def tail_variables(self) -> list[keras.Variable]:
        """Trainable weights of the tail."""
        return [weight for layer in self.tail_layers for weight in layer.trainable_weights]

    def digests(self) -> dict[str, str]:
        """Tensor digests of the trunk (`trunk`), the head (`head`), and each layer of the tail with weights, by its name."""
        layers = {layer.name: tensor_digest([layer]) for layer in self.tail_layers if layer.weights}
        return {"trunk": tensor_digest(self.trunk.layers), "head": tensor_digest(self.head.layers), **layers}


def build_top(
    base: keras.Model, cut: str, spec: DenseSpec, *, pooling: str, task: Task, seed: int, scaling: Scaling | None = None
) -> Top:
    """Divide a base at the cut and put a head on its tail. All layers of the base are frozen.

    Args:
        base: Preprocessed pixels to its last layer.
        cut: Last layer of the trunk.
        spec: The head.
        pooling: `none`, `avg` or `max`, between the base's last layer and the head.
        task: What is asked, which decides on the output.
        seed: Of the head's initial weights and dropout; cached and live training draw the same.
        scaling: Of numbers; see `build_head`.
    """
    trunk, tail = divide(base, cut)
    base.trainable = False
    output_shape = tuple(base.output_shape[1:])
    head = build_head(spec, output_shape if pooling == "none" else output_shape[-1:], task, scaling, seed=seed)
    rows = keras.Input(trunk.output_shape[1:], name="rows")
    features = rows if tail is None else tail(rows, training=False)
    model = keras.Model(rows, head(pool(features, pooling)), name="top")
    layers = () if tail is None else tuple(base.layers[len(trunk.layers) :])
    top = Top(trunk, tail, pooling, head, model, layers)
    top.unfreeze(None)
    return top


def copy_head(source: keras.Model, target: keras.Model) -> None:
    """Copy the weights of a trained head into a new one.

    Raises:
        InvalidCutError: The shapes of the weights differ.
    """
    received = [np.shape(weight) for weight in source.get_weights()]
    expected = [np.shape(weight) for weight in target.get_weights()]
    if received != expected:
        raise InvalidCutError(
            f"The trained head has weights of shapes {received}; this one needs {expected}. "
            "Use the same --head, --pool, base and size."
        )
    target.set_weights(source.get_weights())


@dataclass(frozen=True)
class Phase:
    """One phase of a training."""

    name: str
    """`head`, or `head and tail`."""

    training: Training
    first: str | None = None
    """First trained layer of the tail; None: the head alone is trained."""

    base_rate: float = 0.0
    """Learning rate of the tail; that of the head is in `training`."""


def fit_top(
    top: Top,
    forward: Forward,
    task: Task,
    source: Source,
    validation: Source,
    phase: Phase,
    *,
    checkpoint: Path | None = None,
    on_epoch: OnEpoch | None = None,
    progress: bool = False,
    steps: list[float] | None = None,
) -> list[dict[str, float]]:
    """Train the head, or tail and head together, each with its own learning rate.

    Args:
        top: Trunk, tail and head.
        forward: Inputs to output: `top.head`, `top.forward`, or a live trunk before it.
        task: What is asked.
        source: Training inputs.
        validation: Validation inputs.
        phase: What is trained, and how fast.
        checkpoint: As the other arguments: see `pipeline.stage_two.dense.train.train`.
        on_epoch: Called after each epoch.
        progress: Show a progress bar.
        steps: Filled with the loss of each step.

    Returns:
        One entry per epoch.
    """
    top.unfreeze(phase.first)
    groups = [make_group(top.head.trainable_variables, phase.training)]
    if top.tail_variables:
        groups.append(make_group(top.tail_variables, phase.training, phase.base_rate))
    return train(
        top.model,
        forward,
        groups,
        task,
        source,
        validation,
        phase.training,
        checkpoint=checkpoint,
        on_epoch=on_epoch,
        progress=progress,
        steps=steps,
    )
