"""Dense heads in Keras: built from their specification, trained on cached features, saved and loaded."""

import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError, foreign_file
from pipeline.execution.forks import may_run_network
from pipeline.images.files.limits import check_archive
from pipeline.stage_two.dense.batches import training_source, validation_source
from pipeline.stage_two.dense.measures import as_pairs
from pipeline.stage_two.dense.settings import OnEpoch, Training
from pipeline.stage_two.dense.train import Infer, compile_inference, make_group, train
from pipeline.stage_two.rows import LabelledRows
from pipeline.stage_two.spec import DenseSpec
from pipeline.surroundings import check_keras
from pipeline.tasks.targets import Outputs, Scaling
from pipeline.tasks.task import Task

_BATCH = 256
"""Rows per step of a prediction."""


@dataclass(frozen=True)
class DenseHead:
    """A Keras model from features, (N, h, w, C) or (N, C), to the output of its last layer."""

    model: keras.Model
    link: str = "softmax"
    """That of the task: one output is the probability of the second of two classes only for `softmax`."""

    def outputs(self, X: NDArray[np.float32]) -> Outputs:
        """Outputs, float32 (N, K); of two classes one sigmoid p becomes (1 - p, p)."""
        may_run_network()
        expected = self.model.input_shape[1:]
        if X.shape[1:] != expected:
            raise DamagedStoreError(
                f"The head takes rows of the shape {expected}. Received: {X.shape[1:]}. If it is the head of a run, its files are not "
                "of one run: train it again."
            )
        starts = range(0, len(X), _BATCH)
        parts = [self._infer(tf.constant(X[start : start + _BATCH], tf.float32)).numpy() for start in starts]
        output = np.concatenate([np.empty((0, self.model.output_shape[-1]), np.float32), *parts])
        return as_pairs(output) if self.link == "softmax" else output

    def __getstate__(self) -> dict[str, Any]:
        """What is copied and sent to other processes: not the function that is compiled at the first prediction."""
        return {name: value for name, value in vars(self).items() if name != "_infer"}

    @cached_property
    def _infer(self) -> Infer:
        """Compiled at the first prediction, and not by Keras's `predict`, which takes 0.2 seconds for that."""
        return compile_inference(self.model, self.model.input_shape[1:])

    @property
    def num_outputs(self) -> int:
        """K; two for the one sigmoid of two classes."""
        units = int(self.model.output_shape[-1])
        return max(2, units) if self.link == "softmax" else units

    @property
    def num_parameters(self) -> int:
        """Number of trainable values."""
        return int(sum(np.prod(weight.shape) for weight in self.model.trainable_weights))


@dataclass(frozen=True)
class DenseFit:
    """A trained head and its history."""

    head: DenseHead
    history: list[dict[str, float]]
    """One entry per epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds."""


def build_head(
    spec: DenseSpec, row_shape: tuple[int, ...], task: Task, scaling: Scaling | None = None, *, seed: int = 0
) -> keras.Model:
    """The head as a Keras model; a grid of features is flattened first.

    Each layer is given its seed: without one, Keras draws it from Python's global generator, from which other threads, such as
    those of a Dask worker, draw too.

    Args:
        spec: The layers.
        row_shape: Shape of one row: (h, w, C) or (C,).
        task: What is asked, which decides on the output. It is one sigmoid for two classes, unless the spec asks for a softmax.
        scaling: Of numbers: a last layer brings outputs of mean 0 and deviation 1 to the units of the data.
        seed: Of the initial weights and of dropout. They are those of Keras after `keras.utils.set_random_seed(seed)`.

    Raises:
        HeadSpecError: The output that the spec asks for does not fit the task.
    """
    check_keras()
    may_run_network()
    features = keras.Input(row_shape, name="features")
    x = keras.layers.Flatten(name="flatten")(features) if len(row_shape) > 1 else features
    seeds = random.Random(seed)
    for name, argument in spec.layers:
        x = _layer(name, argument, seeds)(x)
    units, activation = task.dense_output(spec.output)
    output = _dense(units, seeds, activation=activation, name="output")(x)
    if scaling is not None:
        output = keras.layers.Rescaling(list(scaling.spread), list(scaling.centre), name="units")(output)
    return keras.Model(features, output, name="head")


def _layer(name: str, argument: float | None, seeds: random.Random) -> keras.Layer:
    if name == "dense" and argument is not None:
        return _dense(int(argument), seeds)
    if name == "dropout" and argument is not None:
        return keras.layers.Dropout(argument, seed=_draw(seeds))
    return keras.layers.BatchNormalization() if name == "batchnorm" else keras.layers.Activation(name)


def _dense(units: int, seeds: random.Random, **settings: str) -> keras.Layer:
    initializer = keras.initializers.GlorotUniform(seed=_draw(seeds))  # Keras's default
    return keras.layers.Dense(units, kernel_initializer=initializer, **settings)


def _draw(seeds: random.Random) -> int:
    """A seed, as Keras draws it."""
    return seeds.randint(1, 10**9)


def fit_dense(
    spec: DenseSpec,
    labelled: LabelledRows,
    training: Training,
    *,
    on_epoch: OnEpoch | None = None,
    progress: bool = False,
) -> DenseFit:
    """Train on the training split and evaluate on the validation split. The test split is not used.

    The same seed, features and settings give the same learning curve.

    Raises:
        HeadSpecError: The head does not fit the task.
        SettingError: The optimizer does not have a setting that was given.
        DivergedError: The loss became NaN or infinite.
    """
    task, train_split = labelled.task, labelled.train
    model = build_head(spec, train_split.X.shape[1:], task, task.scaling(train_split.y), seed=training.seed)
    history = train(
        model,
        model,
        [make_group(model.trainable_variables, training)],
        task,
        training_source(train_split, training),
        validation_source(labelled.validation),
        training,
        on_epoch=on_epoch,
        progress=progress,
    )
    return DenseFit(DenseHead(model, task.link), history)


def load_dense(path: Path, link: str = "softmax") -> DenseHead:
    """A saved head, loaded in Keras's safe mode, which runs no code from the file.

    Args:
        path: The file.
        link: That of the task.

    Raises:
        DamagedStoreError: The file is not a Keras model that safe mode accepts, it does not go from rows to outputs, or one of
            its weights is NaN or infinite.
    """
    check_keras()
    may_run_network()
    with foreign_file(path, "cannot be loaded in Keras's safe mode, which runs no code from a file"):
        check_archive(path)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        check_finite(path, model)
        # One row at once: errors of layers that fit the file's own description only show when the model runs.
        output = np.asarray(model(np.zeros((1, *model.input_shape[1:]), np.float32), training=False))
        if output.ndim != 2 or output.shape[0] != 1:
            raise ValueError(f"its output for one row has the shape {output.shape}; expected (1, K)")
    return DenseHead(model, link)


def check_finite(path: Path, model: keras.Model) -> None:
    """Check that no weight is NaN or infinite.

    Raises:
        DamagedStoreError: One is; the message names the file and the layer.
    """
    for layer in model.layers:
        if not all(np.isfinite(np.asarray(weight)).all() for weight in layer.weights):
            raise DamagedStoreError(
                f"{path} has weights that are NaN or infinite, in the layer {layer.name!r}. Train it again."
            )


def save_dense(head: DenseHead, path: Path) -> None:
    """Write the head in Keras's format (`.keras`)."""
    head.model.save(path)
