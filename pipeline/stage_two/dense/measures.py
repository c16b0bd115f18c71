"""What a training minimises, and what it counts as right, for each kind of task.

Letters: B images, K outputs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.tasks.class_scores import LEAST_PROBABILITY
from pipeline.tasks.targets import Outputs, Scaling, Targets
from pipeline.tasks.task import Task

_EACH = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""Output (B, units) and targets -> a number for each image, (B,)."""


@dataclass(frozen=True)
class Measure:
    """Loss and score of a task, in TensorFlow for the steps and in numpy for validation."""

    task: Task
    loss: _EACH
    right: _EACH
    """1 for an image that is right; the share of its labels; or 1 minus the squared error, in deviations, whose mean is R2."""

    scaling: Scaling | None
    """Of numbers; None for classes and labels."""

    def evaluate(self, output: Outputs, y: Targets) -> tuple[float, float]:
        """Mean loss, and the mean of what is right, of outputs of the model (B, units)."""
        if self.scaling is None and self.task.link == "softmax":
            pairs = as_pairs(output)
            picked = pairs[np.arange(len(y)), y]
            return float(-np.log(np.clip(picked, LEAST_PROBABILITY, 1)).mean()), float(
                (pairs.argmax(axis=1) == y).mean()
            )
        targets, values = tf.constant(y), tf.constant(output)
        return float(tf.reduce_mean(self.loss(values, targets))), float(tf.reduce_mean(self.right(values, targets)))


def measure_of(task: Task, units: int, y: Targets, loss: str = "mse") -> Measure:
    """The measure of a training.

    Args:
        task: What is asked.
        units: Size of the model's output; 1 for two classes with a sigmoid.
        y: Targets of the training images.
        loss: Of numbers; see `Training.loss`.
    """
    scaling = task.scaling(y)
    if scaling is not None:
        return Measure(task, *_of_numbers(loss, scaling), scaling)
    if task.link == "sigmoid":
        return Measure(task, _label_loss, _labels_right, None)
    return Measure(task, *((_pair_loss, _pair_right) if units == 1 else (_class_loss, _class_right)), None)


def as_pairs(output: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities of classes, (N, K): one sigmoid p becomes (1 - p, p)."""
    return np.concatenate([1 - output, output], axis=1) if output.shape[1] == 1 else output


def _pair_loss(output: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return keras.losses.binary_crossentropy(tf.cast(y, output.dtype)[:, None], output)


def _pair_right(output: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.cast((output[:, 0] > 0.5) == (y > 0), tf.float32)


def _class_loss(output: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return keras.losses.sparse_categorical_crossentropy(y, output)


def _class_right(output: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.argmax(output, axis=1) == y, tf.float32)


def _label_loss(output: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Mean binary cross-entropy over the labels of an image that are known."""
    picked = tf.where(y > 0.5, output, 1 - output)  # where y is NaN this is not used
    return _known_mean(-tf.math.log(tf.clip_by_value(picked, LEAST_PROBABILITY, 1.0)), y)


def _labels_right(output: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return _known_mean(tf.cast((output > 0.5) == (y > 0.5), tf.float32), y)


def _of_numbers(loss: str, scaling: Scaling) -> tuple[_EACH, _EACH]:
    """Loss and 1 minus the squared error, of numbers in deviations of the training images."""
    spread = tf.constant(scaling.spread, tf.float32)
    each = {"mse": tf.square, "mae": tf.abs, "huber": _huber}[loss]

    def error(output: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
        return (output - tf.where(tf.math.is_nan(y), output, y)) / spread

    return (
        lambda output, y: _known_mean(each(error(output, y)), y),
        lambda output, y: 1 - _known_mean(tf.square(error(output, y)), y),
    )


def _huber(error: tf.Tensor) -> tf.Tensor:
    """Squared up to one deviation, linear beyond it (Huber 1964)."""
    size = tf.abs(error)
    return tf.where(size <= 1, 0.5 * size**2, size - 0.5)


def _known_mean(values: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The mean over the answers of each image that are known, (B,); 0 if there are none."""
    known = tf.cast(tf.math.is_finite(y), values.dtype)
    return tf.reduce_sum(tf.where(known > 0, values, 0), axis=1) / tf.maximum(tf.reduce_sum(known, axis=1), 1)
