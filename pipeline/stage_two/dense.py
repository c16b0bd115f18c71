"""Dense heads in Keras: built from their text, trained on cached features."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.errors import DamagedStoreError, HeadSpecError, SettingError
from pipeline.stage_two.features import Task
from pipeline.stage_two.spec import DenseSpec, parse_settings
from pipeline.stage_two.training import Training

_OPTIMIZERS = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "sgd": keras.optimizers.SGD}


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
        return int(sum(np.prod(weight.shape) for weight in self.model.trainable_weights))


@dataclass(frozen=True)
class DenseFit:
    """A trained head and its history."""

    head: DenseHead
    history: list[dict[str, float]]
    """One entry an epoch: epoch, loss, accuracy, val_loss, val_accuracy, learning_rate, seconds."""


def build_head(spec: DenseSpec, row_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """The head's layers; a grid of features is flattened first.

    Args:
        spec: Its layers.
        row_shape: Shape of one row: (h, w, C) or (C,).
        num_classes: K; one sigmoid for two classes unless the spec says softmax.

    Raises:
        HeadSpecError: One sigmoid for more than two classes.
    """
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
    tensorboard: Path | None = None,
    progress: bool = False,
) -> DenseFit:
    """Train on the training split and watch the validation split. The test split is not looked at.

    The same seed, features and settings give the same curve.

    Raises:
        HeadSpecError: The head does not suit the number of classes.
        SettingError: The optimizer does not know a setting.
    """
    keras.utils.set_random_seed(training.seed)
    model = build_head(spec, task.train.X.shape[1:], len(task.classes))
    compile_head(model, training)
    clock = _EpochClock(training.epochs, progress)
    result = model.fit(
        task.train.X,
        task.train.y,
        validation_data=(task.validation.X, task.validation.y),
        batch_size=training.batch_size,
        epochs=training.epochs,
        callbacks=[*_callbacks(training, tensorboard), clock],
        verbose=0,
    )
    return DenseFit(DenseHead(model), _history(result.history, clock.seconds))


def compile_head(model: keras.Model, training: Training) -> None:
    """Loss by the output's shape, optimizer and learning rate by the settings."""
    is_binary = model.output_shape[-1] == 1
    model.compile(
        optimizer=make_optimizer(training),
        loss="binary_crossentropy" if is_binary else "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )


def make_optimizer(training: Training) -> keras.optimizers.Optimizer:
    """`adam`, `rmsprop`, `sgd`, or with settings, `sgd:momentum=0.9`.

    Raises:
        SettingError: An unknown optimizer or setting.
    """
    name, _, rest = training.optimizer.partition(":")
    if name not in _OPTIMIZERS:
        raise SettingError(f"The optimizer is one of {', '.join(_OPTIMIZERS)}. Received: {training.optimizer!r}.")
    try:
        settings = {key: float(value) for key, value in parse_settings(rest).items()}
        return _OPTIMIZERS[name](learning_rate=training.learning_rate, **settings)
    except (TypeError, ValueError, HeadSpecError) as error:
        raise SettingError(f"The optimizer {training.optimizer!r} cannot be made: {error}") from error


def load_dense(path: Path) -> DenseHead:
    """A saved head, loaded in safe mode: no code of the file is run.

    Raises:
        DamagedStoreError: The file is not a Keras model that safe mode accepts.
    """
    try:
        return DenseHead(keras.saving.load_model(path, compile=False, safe_mode=True))
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise DamagedStoreError(
            f"{path} cannot be loaded in Keras's safe mode, which runs no code from a file: {error}"
        ) from error


def save_dense(head: DenseHead, path: Path) -> None:
    """Write the head in Keras's own format."""
    head.model.save(path)


class _EpochClock(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Seconds of each epoch, validation included, and a bar over the epochs."""

    def __init__(self, epochs: int, progress: bool) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._bar = tqdm(total=epochs, desc="stage two", unit="epoch", delay=2, disable=not progress)
        self._start = 0.0

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.seconds.append(time.perf_counter() - self._start)
        self._bar.set_postfix({name: f"{value:.3f}" for name, value in (logs or {}).items() if name.startswith("val_")})
        self._bar.update()

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        self._bar.close()


def _callbacks(training: Training, tensorboard: Path | None) -> list[keras.callbacks.Callback]:
    callbacks: list[keras.callbacks.Callback] = []
    if training.keep == "best" or training.patience:
        callbacks.append(
            keras.callbacks.EarlyStopping(
                monitor="val_loss",
                patience=training.patience or training.epochs,
                restore_best_weights=training.keep == "best",
            )
        )
    if training.schedule == "plateau":
        callbacks.append(keras.callbacks.ReduceLROnPlateau(monitor="val_loss", factor=0.3, patience=3))
    if training.schedule == "cosine":
        callbacks.append(keras.callbacks.LearningRateScheduler(training.cosine_rate))
    if tensorboard is not None:
        callbacks.append(keras.callbacks.TensorBoard(log_dir=str(tensorboard)))
    return callbacks


def _history(history: Mapping[str, list[Any]], seconds: list[float]) -> list[dict[str, float]]:
    return [
        {"epoch": epoch + 1, **{name: float(values[epoch]) for name, values in history.items()}, "seconds": elapsed}
        for epoch, elapsed in enumerate(seconds)
    ]
