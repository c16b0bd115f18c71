"""The sums of a dense head before its link, and their gradients by the rows: where in the grid it looked."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from pipeline.stage_two.dense.build import DenseHead

_BATCH = 32
"""Rows per step; a tail of the base in front of the head keeps all its activations for the gradient."""


@dataclass(frozen=True)
class DenseSums:
    """A head whose last layer has no link, so that probabilities of 0 and 1 have gradients, too.

    What is asked of the K sums of each image is v, (N, K); with one sigmoid for two classes the sums are 0 and its own.
    """

    head: DenseHead

    def totals(self, X: NDArray[np.float32], v: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sums of rows times v, (N,)."""
        parts = [(self._sums(rows).numpy() * asked.numpy()).sum(axis=1) for rows, asked in self._blocks(X, v)]
        return np.concatenate(parts).astype(np.float64)

    def gradients(
        self, X: NDArray[np.float32], v: NDArray[np.float64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Gradients of `totals` by the rows, of their shape, and `totals`."""
        pairs = [self._slopes(rows, asked) for rows, asked in self._blocks(X, v)]
        slopes, totals = (np.concatenate([part.numpy() for part in each]) for each in zip(*pairs, strict=True))
        return slopes, totals.astype(np.float64)

    def _blocks(self, X: NDArray[np.float32], v: NDArray[np.float64]) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        is_one = self.head.model.output_shape[-1] == 1 and v.shape[1] == 2
        asked = v[:, 1:] if is_one else v
        for start in range(0, len(X), _BATCH):
            yield tuple(tf.constant(each[start : start + _BATCH], tf.float32) for each in (X, asked))

    @cached_property
    def _sums(self) -> Any:
        model = self._model
        return tf.function(lambda rows: model(rows, training=False), autograph=False, reduce_retracing=True)

    @cached_property
    def _slopes(self) -> Any:
        model = self._model

        def step(rows: tf.Tensor, asked: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(rows)
                total = tf.reduce_sum(model(rows, training=False) * asked, axis=1)
            return tape.gradient(total, rows), total

        return tf.function(step, autograph=False, reduce_retracing=True)

    @cached_property
    def _model(self) -> keras.Model:
        """A copy of the head whose last layer has no softmax or sigmoid."""
        copy = keras.models.clone_model(self.head.model)
        copy.set_weights(self.head.model.get_weights())
        last = copy.layers[-1]
        while isinstance(last, keras.Model):  # a tail with a head on it
            last = last.layers[-1]
        if getattr(last, "activation", None) is not None:
            last.activation = keras.activations.linear
        return copy
