"""Building a base, and adding preprocessing before it and pooling after it."""

import math
from typing import Any

import keras
from keras import ops

from pipeline.bases.squeezenet import build_squeezenet
from pipeline.bases.table import PRECISIONS, TORCH_STD, BaseSpec, Preprocessing, keras_policy
from pipeline.errors import UnknownBaseError, check_choice
from pipeline.surroundings import check_keras

_MAX_UNUSED = 50_000_000
"""Parameters of networks, 200 MB, that may lie in memory unused until Python collects garbage. Collecting takes 0.2 seconds in a
process that has loaded TensorFlow, half of what building a small network takes, so it is not done before each of them."""

_built: list[int] = []
"""Parameters of each network that was built since garbage was last collected."""


def build_base(spec: BaseSpec, size_px: int, *, precision: str = "float32", include_top: bool = False) -> keras.Model:
    """Build a network with random weights: from preprocessed pixels (B, H, W, 3) to the last layer.

    Resets Keras's layer-name counters first: some networks number their layers, and a cut named
    `conv2d_94` must be the same layer in every process.

    Raises:
        UnknownBaseError: Keras cannot build this network at this size.
        SettingError: An unknown precision, or the program has set up Keras in another way.
    """
    check_choice("precision", precision, PRECISIONS)
    check_keras()
    policy = keras.config.dtype_policy()  # read before the reset, which clears it
    _clear_session(spec.parameters)
    keras.config.set_dtype_policy(keras_policy(precision))
    try:
        if spec.builder == "SqueezeNet":
            return build_squeezenet(size_px, include_top=include_top)
        build = getattr(keras.applications, spec.builder)
        base = build(weights=None, include_top=include_top, input_shape=(size_px, size_px, 3))
        return _rescale_as_imagenet(base) if spec.builder.startswith("EfficientNetB") else base
    except ValueError as error:
        raise UnknownBaseError(f"{spec.name} cannot be built at {size_px} px: {error}") from error
    finally:
        keras.config.set_dtype_policy(policy)


def _clear_session(num_parameters: int) -> None:
    """Forget the names of Keras's layers, and collect garbage if what was built may take much memory."""
    is_worth_it = sum(_built) > _MAX_UNUSED
    keras.backend.clear_session(free_memory=is_worth_it)
    if is_worth_it:
        _built.clear()
    _built.append(num_parameters)


def _rescale_as_imagenet(base: keras.Model) -> keras.Model:
    """Add the second rescaling that keras.applications adds to EfficientNet only if weights="imagenet".

    The published weights contain the standard deviation instead of the variance, so Normalization divides by its
    square root only (tensorflow/tensorflow#49930). The layer has no weights: without it the weights would load
    as well, and every feature would be wrong.
    """

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> keras.KerasTensor:
        out = layer(*args, **kwargs)
        if isinstance(layer, keras.layers.Normalization):
            return keras.layers.Rescaling([1 / math.sqrt(std) for std in TORCH_STD], name="rescaling_1")(out)
        return out

    pixels = keras.Input(base.input_shape[1:], name=base.layers[0].name)
    return keras.models.clone_model(base, input_tensors=pixels, call_function=call)


def with_preprocessing(trunk: keras.Model, preprocessing: Preprocessing, pooling: str) -> keras.Model:
    """From RGB pixels in [0, 255], (B, H, W, 3), to float32 features, (B, h, w, C) or pooled (B, C)."""
    pixels = keras.Input(trunk.input_shape[1:], dtype="float32", name="pixels")
    features = trunk(preprocess(pixels, preprocessing), training=False)
    return keras.Model(pixels, ops.cast(pool(features, pooling), "float32"), name=f"{trunk.name}_on_pixels")


def preprocess(pixels: keras.KerasTensor, preprocessing: Preprocessing) -> keras.KerasTensor:
    """The preprocessing as Keras operations, which a saved model can contain."""
    if preprocessing.order == "BGR":
        pixels = ops.take(pixels, [2, 1, 0], axis=-1)
    return keras.layers.Rescaling(
        list(preprocessing.scale), list(preprocessing.offset), dtype="float32", name="preprocessing"
    )(pixels)


def pool(features: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    """Average or maximum over the grid, (B, h, w, C) to (B, C), or over tokens, (B, T, C) to (B, C).

    `none` changes nothing, and features (B, C) stay as they are.
    """
    if pooling == "none" or len(features.shape) == 2:
        return features
    has_grid = len(features.shape) == 4
    if pooling == "avg":
        layer = keras.layers.GlobalAveragePooling2D if has_grid else keras.layers.GlobalAveragePooling1D
    else:
        layer = keras.layers.GlobalMaxPooling2D if has_grid else keras.layers.GlobalMaxPooling1D
    return layer(name="pool", dtype="float32")(features)
