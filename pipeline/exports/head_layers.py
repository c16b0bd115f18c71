"""Heads, and what finishes their outputs, as standard layers of Keras.

Letters: B images, D features, K outputs, M training images or knots.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from pipeline.tasks.calibration import LEAST, LEAST_OF_LABELS, Calibration, Curve, Isotonic, Temperature
from pipeline.tasks.links import LINKS
from pipeline.tasks.task import Task

_ACTIVATIONS = {"softmax": "softmax", "sigmoid": "sigmoid", "identity": "linear"}


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


def finished(head: keras.Model, task: Task) -> keras.Model:
    """A head with its outputs as `Task.finish` gives them: both probabilities of two classes, and the calibration.

    Args:
        head: Rows to the output of its last layer.
        task: What the head answers.
    """
    is_pair = task.link == "softmax" and head.output_shape[-1] == 1
    if not is_pair and task.calibration is None:
        return head
    rows = keras.Input(head.input_shape[1:], name="rows")
    outputs = head(rows)
    if is_pair:
        outputs = ops.concatenate([1 - outputs, outputs], axis=1)
    if task.calibration is not None:
        outputs = _calibrated(outputs, task.calibration, task.link)
    return keras.Model(rows, outputs, name="finished")


def _linear(flat: keras.KerasTensor, arrays: Mapping[str, NDArray[Any]]) -> keras.KerasTensor:
    """link(t (((x - m) / s) W + b)) = link(x W' + b') with W' = t W / s and b' = t (b - (m / s) W); x may be divided by its length first."""
    flat = layers.UnitNormalization()(flat) if "norm" in arrays else flat
    link = LINKS[int(arrays["link"][0])] if "link" in arrays else LINKS[0]
    temperature = float(arrays["temperature"][0])
    weights = arrays["weights"].astype(np.float64) / arrays["scale"].astype(np.float64)[:, None]
    bias = arrays["bias"] - arrays["mean"].astype(np.float64) @ weights
    dense = layers.Dense(len(bias), activation=_ACTIVATIONS[link], name="linear")
    output = dense(flat)
    dense.set_weights([temperature * weights, temperature * bias])
    return output


def _neighbours(flat: keras.KerasTensor, arrays: Mapping[str, NDArray[Any]]) -> keras.KerasTensor:
    """The cosine to each stored row, the k largest ones, and the mean of what these images are."""
    rows, k = arrays["rows"], int(arrays["k"][0])
    scaling = layers.Rescaling(
        list(map(float, 1 / arrays["scale"])), list(map(float, -arrays["mean"] / arrays["scale"]))
    )
    closeness = layers.Dense(len(rows), use_bias=False, name="closeness")
    nearest = ops.top_k(closeness(layers.UnitNormalization()(scaling(flat))), k)[1]
    closeness.set_weights([rows.T])
    if "targets" in arrays:
        return _means(nearest, arrays["targets"], arrays["known"], k)
    return _mean_of(nearest, np.eye(int(arrays["num_classes"][0]), dtype=np.float32)[arrays["labels"]], "votes")


def _means(
    nearest: keras.KerasTensor, targets: NDArray[np.float32], known: NDArray[np.uint8], k: int
) -> keras.KerasTensor:
    """Mean of the known answers of the neighbours, (B, K); where none is known, that of all images."""
    if known.all():
        return _mean_of(nearest, targets, "answers")
    overall = targets.sum(axis=0, dtype=np.float64) / np.maximum(known.sum(axis=0, dtype=np.float64), 1)
    sums = _mean_of(nearest, np.where(known, targets - overall, 0).astype(np.float32), "answers")
    shares = _mean_of(nearest, known.astype(np.float32), "known")
    # Answers are stored as differences from the mean of all, so that no answer is a difference of 0.
    return layers.Rescaling([1.0] * len(overall), overall.tolist())(sums / ops.maximum(shares, 0.5 / k))


def _mean_of(nearest: keras.KerasTensor, values: NDArray[np.float32], name: str) -> keras.KerasTensor:
    """The mean of the values (M, K) of some images, (B, k) to (B, K)."""
    table = layers.Embedding(*values.shape, name=name)
    mean = layers.GlobalAveragePooling1D()(table(nearest))
    table.set_weights([values])
    return mean


def _calibrated(outputs: keras.KerasTensor, calibration: Calibration, link: str) -> keras.KerasTensor:
    """Recalibrated outputs, (B, K)."""
    if isinstance(calibration, Temperature):
        return _tempered(outputs, calibration.factor, link)
    if not isinstance(calibration, Isotonic):
        raise TypeError(f"{type(calibration).__name__} has no layers")
    if link == "softmax" and len(calibration.curves) == 1:
        second = _curved(outputs[:, 1:], calibration.curves)
        return ops.concatenate([1 - second, second], axis=1)
    values = _curved(outputs, calibration.curves)
    return values / ops.sum(values, axis=1, keepdims=True) if link == "softmax" else values


def _tempered(outputs: keras.KerasTensor, factor: float, link: str) -> keras.KerasTensor:
    if link == "softmax":
        return layers.Softmax()(factor * ops.log(ops.maximum(outputs, LEAST)))
    p = ops.minimum(ops.maximum(outputs, float(LEAST_OF_LABELS)), float(1 - LEAST_OF_LABELS))
    return layers.Activation("sigmoid")(factor * (ops.log(p) - ops.log(1 - p)))


def _curved(outputs: keras.KerasTensor, curves: Sequence[Curve]) -> keras.KerasTensor:
    """A curve for each column, (B, K): y_1 + sum over the parts of a curve of its rise times clip((p - x) / width, 0, 1).

    Sums of slopes times ReLU(p - x), which are shorter, lose all digits where a curve is steep.
    """
    num_parts = max(len(curve.x) for curve in curves) - 1
    start, width, rise = (
        np.array(part).T for part in zip(*(_parts(curve, num_parts) for curve in curves), strict=True)
    )
    first = np.array([[curve.y[0] for curve in curves]] * num_parts)
    repeated = layers.RepeatVector(num_parts)(outputs)  # (B, M, K)
    shares = layers.ReLU(max_value=1.0)(layers.Rescaling((1 / width).tolist(), (-start / width).tolist())(repeated))
    return layers.GlobalAveragePooling1D()(layers.Rescaling((num_parts * rise).tolist(), first.tolist())(shares))


def _parts(curve: Curve, num_parts: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Start, width and rise of the parts between the knots; further ones rise by nothing."""
    x, y = np.array(curve.x), np.array(curve.y)
    missing = (0, num_parts + 1 - len(x))
    return (
        np.pad(x[:-1], missing),
        np.pad(np.diff(x), missing, constant_values=1.0),
        np.pad(np.diff(y), missing),
    )
