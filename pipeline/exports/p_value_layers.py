"""From rows to p-values as standard layers of Keras, as `pipeline.stage_two.novelty.detector` computes them.

Letters: B images, D features, M centres of the training rows, n validation images.
"""

import keras
from keras import layers

from pipeline.errors import SettingError
from pipeline.exports.description import P_VALUE
from pipeline.stage_two.novelty.detector import Detector

TIE = 2e-6
"""A validation image counts as at least as far if its distance is not smaller; one that is smaller by less than this counts in part,
since float32 does not tell such distances apart. (Distances of rows of 512 features differ by up to 5e-7 between libraries.)"""


def with_p_value(head: keras.Model, detector: Detector, output_name: str) -> keras.Model:
    """A head that gives p-values, too: rows to its outputs (B, K) and `p_value` (B, 1), by name.

    Raises:
        SettingError: The rows are of another kind than the detector takes.
    """
    shape = tuple(head.input_shape[1:])
    rows = keras.Input(shape, name="rows")
    judge = p_values_of(detector, shape)
    return keras.Model(rows, {output_name: head(rows), P_VALUE: judge(rows)}, name="head_and_p_value")


def p_values_of(detector: Detector, row_shape: tuple[int, ...]) -> keras.Model:
    """Rows (B, D) or (B, h, w, D) to p-values, float32 (B, 1).

    Raises:
        SettingError: The rows have another shape.
    """
    features = keras.Input(row_shape, name="features")
    counted = _count(_distances(_pooled(features, detector), detector), detector)
    n = detector.num_validation
    return keras.Model(features, layers.Rescaling(n / (n + 1), 1 / (n + 1))(counted), name=P_VALUE)


def _pooled(features: keras.KerasTensor, detector: Detector) -> keras.KerasTensor:
    shape = tuple(features.shape[1:])
    if len(shape) not in (1, 3) or shape[-1] != detector.centres.shape[1]:
        raise SettingError(
            f"The file cannot hold p-values: they are computed from rows of {detector.centres.shape[1]:,} features or a grid of them, and the head "
            f"of this run takes rows of shape {shape}. Leave --p-value out, and predict with the run where p-values are needed."
        )
    return layers.GlobalAveragePooling2D()(features) if len(shape) == 3 else features


def _distances(pooled: keras.KerasTensor, detector: Detector) -> keras.KerasTensor:
    """1 - the largest cosine to a centre, (B, 1)."""
    num_centres = len(detector.centres)
    cosines = layers.Dense(num_centres, use_bias=False, name="centres")
    products = cosines(layers.UnitNormalization()(pooled))
    cosines.set_weights([detector.centres.astype("float32").T])
    largest = layers.GlobalMaxPooling1D()(layers.Reshape((num_centres, 1))(products))
    return layers.Rescaling(-1.0, 1.0)(largest)


def _count(distances: keras.KerasTensor, detector: Detector) -> keras.KerasTensor:
    """The share of validation images that are at least as far, (B, 1): the mean of clip((c - d) / TIE + 1, 0, 1).

    c - d comes first, since c / TIE would have no digits left for the difference.
    """
    repeated = layers.RepeatVector(detector.num_validation)(distances)  # (B, n, 1)
    nearer = layers.Rescaling(-1.0, detector.calibration.astype(float)[:, None].tolist())(repeated)
    return layers.GlobalAveragePooling1D()(layers.ReLU(max_value=1.0)(layers.Rescaling(1 / TIE, 1.0)(nearer)))
