"""Dense heads in Keras: built from their specification, trained on cached features, saved and loaded."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError
from pipeline.stage_two.dense.batches import training_source, validation_source
from pipeline.stage_two.dense.settings import OnEpoch, Training
from pipeline.stage_two.dense.train import make_group, train
from pipeline.stage_two.rows import Task
from pipeline.stage_two.spec import DenseSpec
from pipeline.surroundings import check_keras


@dataclass(frozen=True)
class DenseHead:
    """A Keras model from features, (N, h, w, C) or (N, C), to the output of its last layer."""

    model: keras.Model

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities, float32 (N, K); one sigmoid p becomes (1 - p, p)."""
        output = self.model.predict(X, batch_size=256, verbose=0)
        return np.concatenate([1 - output, output], axis=1) if output.shape[1] == 1 else output

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
        DamagedStoreError: The file is not a Keras model that safe mode accepts.
    """
    check_keras()
    try:
        return DenseHead(keras.saving.load_model(path, compile=False, safe_mode=True))
    except (ValueError, OSError, LookupError, TypeError, AttributeError, EOFError, BadZipFile) as error:
        raise DamagedStoreError(
            f"{path} cannot be loaded in Keras's safe mode, which runs no code from a file: {error}"
        ) from error


def save_dense(head: DenseHead, path: Path) -> None:
    """Write the head in Keras's format (`.keras`)."""
    head.model.save(path)
