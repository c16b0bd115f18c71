"""Dense heads in Keras: built from their specification, trained on cached features, saved and loaded."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError, foreign_file
from pipeline.images.files.limits import check_archive
from pipeline.stage_two.dense.batches import training_source, validation_source
from pipeline.stage_two.dense.settings import OnEpoch, Training
from pipeline.stage_two.dense.train import Infer, compile_inference, make_group, train
from pipeline.stage_two.rows import Task
from pipeline.stage_two.spec import DenseSpec
from pipeline.surroundings import check_keras

_BATCH = 256
"""Rows per step of a prediction."""


@dataclass(frozen=True)
class DenseHead:
    """A Keras model from features, (N, h, w, C) or (N, C), to the output of its last layer."""

    model: keras.Model

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities, float32 (N, K); one sigmoid p becomes (1 - p, p)."""
        expected = self.model.input_shape[1:]
        if X.shape[1:] != expected:
            raise DamagedStoreError(
                f"The head takes rows of the shape {expected}. Received: {X.shape[1:]}. If it is the head of a run, its files are not "
                "of one run: train it again."
            )
        starts = range(0, len(X), _BATCH)
        parts = [self._infer(tf.constant(X[start : start + _BATCH], tf.float32)).numpy() for start in starts]
        output = np.concatenate([np.empty((0, self.model.output_shape[-1]), np.float32), *parts])
        return np.concatenate([1 - output, output], axis=1) if output.shape[1] == 1 else output

    @cached_property
    def _infer(self) -> Infer:
        """Compiled at the first prediction, and not by Keras's `predict`, which takes 0.2 seconds for that."""
        return compile_inference(self.model, self.model.input_shape[1:])

    @property
    def num_classes(self) -> int:
        """K; two for one sigmoid."""
        return max(2, int(self.model.output_shape[-1]))

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


def build_head(spec: DenseSpec, row_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """The head as a Keras model; a grid of features is flattened first.

    Args:
        spec: The layers.
        row_shape: Shape of one row: (h, w, C) or (C,).
        num_classes: K. The output is one sigmoid for two classes, unless the spec asks for a softmax.

    Raises:
        HeadSpecError: One sigmoid for more than two classes.
    """
    check_keras()
    features = keras.Input(row_shape, name="features")
    x = keras.layers.Flatten(name="flatten")(features) if len(row_shape) > 1 else features
    for name, argument in spec.layers:
        x = _layer(name, argument)(x)
    activation = spec.output_for(num_classes)
    units = 1 if activation == "sigmoid" else num_classes
    return keras.Model(features, keras.layers.Dense(units, activation=activation, name="output")(x), name="head")


def _layer(name: str, argument: float | None) -> keras.Layer:
    if name == "dense" and argument is not None:
        return keras.layers.Dense(int(argument))
    if name == "dropout" and argument is not None:
        return keras.layers.Dropout(argument)
    return keras.layers.BatchNormalization() if name == "batchnorm" else keras.layers.Activation(name)


def fit_dense(
    spec: DenseSpec,
    task: Task,
    training: Training,
    *,
    on_epoch: OnEpoch | None = None,
    progress: bool = False,
) -> DenseFit:
    """Train on the training split and evaluate on the validation split. The test split is not used.

    The same seed, features and settings give the same learning curve.

    Raises:
        HeadSpecError: The head does not fit the number of classes.
        SettingError: The optimizer does not have a setting that was given.
        DivergedError: The loss became NaN or infinite.
    """
    keras.utils.set_random_seed(training.seed)
    model = build_head(spec, task.train.X.shape[1:], len(task.classes))
    history = train(
        model,
        model,
        [make_group(model.trainable_variables, training)],
        training_source(task.train, training),
        validation_source(task.validation),
        training,
        on_epoch=on_epoch,
        progress=progress,
    )
    return DenseFit(DenseHead(model), history)


def load_dense(path: Path) -> DenseHead:
    """A saved head, loaded in Keras's safe mode, which runs no code from the file.

    Raises:
        DamagedStoreError: The file is not a Keras model that safe mode accepts, it does not go from rows to probabilities, or one of
            its weights is NaN or infinite.
    """
    check_keras()
    with foreign_file(path, "cannot be loaded in Keras's safe mode, which runs no code from a file"):
        check_archive(path)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        check_finite(path, model)
        # One row at once: errors of layers that fit the file's own description only show when the model runs.
        output = np.asarray(model(np.zeros((1, *model.input_shape[1:]), np.float32), training=False))
        if output.ndim != 2 or output.shape[0] != 1:
            raise ValueError(f"its output for one row has the shape {output.shape}; expected (1, K)")
    return DenseHead(model)


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
