"""One Keras model from a run: pixels in, probabilities out, preprocessing inside, standard layers only."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from pipeline.bases.network import with_preprocessing
from pipeline.bases.table import Preprocessing


def stitch(
    trunk: keras.Model,
    preprocessing: Preprocessing,
    pooling: str,
    head: keras.Model,
) -> keras.Model:
    """Trunk and head as one model.

    Args:
        trunk: Preprocessed pixels to features, (B, h, w, C).
        preprocessing: Applied to the pixels before the trunk.
        pooling: `none`, `avg` or `max`, between trunk and head.
        head: Features, (B, h, w, C) or pooled (B, C), to one sigmoid or K probabilities.

    Returns:
        RGB pixels in [0, 255], float32 (B, H, W, 3), to probabilities, float32 (B, K).
    """
    features = with_preprocessing(trunk, preprocessing, pooling)
    output = with_two_columns(head)(features.output)
    return keras.Model(features.input, output, name="pixels_to_probabilities")


def with_two_columns(head: keras.Model) -> keras.Model:
    """The head itself; if it has one sigmoid, a head with the probabilities of both classes."""
    if head.output_shape[-1] > 1:
        return head
    rows = keras.Input(head.input_shape[1:], name="rows")
    probability = head(rows)
    return keras.Model(rows, ops.concatenate([1 - probability, probability], axis=1), name="two_columns")


def head_of_arrays(arrays: Mapping[str, NDArray[Any]], row_shape: tuple[int, ...]) -> keras.Model:
    """A linear head as layers: scaling is folded into one Dense layer; nearest neighbours become a search.

    Args:
        arrays: Contents of head.npz.
        row_shape: Shape of one input row, (h, w, C) or (C,).
    """
    features = keras.Input(row_shape, name="features")
    flat = layers.Flatten()(features) if len(row_shape) > 1 else features
    output = _neighbours(flat, arrays) if "rows" in arrays else _linear(flat, arrays)
    return keras.Model(features, output, name="head")


def _linear(flat: keras.KerasTensor, arrays: Mapping[str, NDArray[Any]]) -> keras.KerasTensor:
    """softmax(t (((x - m) / s) W + b)) = softmax(x W' + b') with W' = t W / s and b' = t (b - (m / s) W); x may have length 1 first."""
    flat = layers.UnitNormalization()(flat) if "norm" in arrays else flat
    temperature = float(arrays["temperature"][0])
    weights = arrays["weights"].astype(np.float64) / arrays["scale"].astype(np.float64)[:, None]
    bias = arrays["bias"] - arrays["mean"].astype(np.float64) @ weights
    dense = layers.Dense(len(bias), activation="softmax", name="linear")
    output = dense(flat)
    dense.set_weights([temperature * weights, temperature * bias])
    return output


def _neighbours(flat: keras.KerasTensor, arrays: Mapping[str, NDArray[Any]]) -> keras.KerasTensor:
    """The cosine to each stored row, the k largest ones, and the mean of their one-hot labels."""
    rows, labels, k = arrays["rows"], arrays["labels"], int(arrays["k"][0])
    scaling = layers.Rescaling(
        list(map(float, 1 / arrays["scale"])), list(map(float, -arrays["mean"] / arrays["scale"]))
    )
    closeness = layers.Dense(len(rows), use_bias=False, name="closeness")
    votes = layers.Embedding(len(rows), int(arrays["num_classes"][0]), name="votes")
    nearest = ops.top_k(closeness(layers.UnitNormalization()(scaling(flat))), k)[1]
    output = layers.GlobalAveragePooling1D()(votes(nearest))
    closeness.set_weights([rows.T])
    votes.set_weights([np.eye(int(arrays["num_classes"][0]), dtype=np.float32)[labels]])
    return output
