"""Models from elsewhere as bases, files and presets: one flat graph from the image to its last grid."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipeline.bases.cut import valid_cuts
from pipeline.bases.known_files import FileFacts
from pipeline.bases.names import CLASS_TOKEN, is_preset
from pipeline.bases.presets import load_preset, num_patches, preset_preprocessing
from pipeline.errors import UnknownBaseError
from pipeline.files import check_regular
from pipeline.images.files.limits import check_archive
from pipeline.surroundings import check_keras

_ANY_SIZE_PX = 224
"""Taken by networks that are convolutional throughout, unless `--size` says otherwise."""

_PREPROCESSING_LAYERS = (keras.layers.Rescaling, keras.layers.Normalization)


def describe_file(file: Path) -> FileFacts:
    """What the pipeline has to know of a model file or a preset.

    Raises:
        UnknownBaseError: It cannot be a base; the message says why.
    """
    base = load_model_file(file)
    size_px, channels = base.input_shape[1], base.output_shape[-1]
    own = preset_preprocessing(str(file)) if is_preset(str(file)) else None
    return FileFacts(
        mode="none" if _has_preprocessing(base) else "",
        scale=list(own.scale) if own else [],
        offset=list(own.offset) if own else [],
        native_px=int(size_px or _ANY_SIZE_PX),
        smallest_px=1,
        last_layer=str(base.layers[-1].name),
        channels=int(channels),
        parameters=int(base.count_params()),
    )


def load_model_file(file: Path, size_px: int | None = None, cut: str | None = None) -> keras.Model:
    """The base of a model: RGB images (B, H, W, 3) to the last grid (B, h, w, C) at which it can be cut.

    What comes after that, such as pooling and a classifier, is left out. Models nested in it become part of its graph, so that it
    can be cut inside them too. Networks without grids have tokens (B, T, C). Where the size of a patch is known, the tokens of
    patches become a grid, without those of classes and registers, which come first.

    Args:
        file: A `.keras` or `.h5` file, or a preset's folder or name.
        size_px: Height and width of the images; None: those of the file.
        cut: `class_token` ends the base at the first token, (B, C), instead of the grid of patches; all other cuts are layers of the base.

    Raises:
        UnknownBaseError: The file is no such model, or it cannot take images of this size.
    """
    check_keras()
    model = load_preset(str(file)) if is_preset(str(file)) else _load(file)
    try:
        return _base_of(model, file, size_px, cut)
    except UnknownBaseError:
        raise
    except (AttributeError, TypeError, ValueError) as error:
        raise UnknownBaseError(f"{file} cannot be a base: {' '.join(str(error).split())[:300]}") from error


def _base_of(model: keras.Model, file: Path, size_px: int | None, cut: str | None) -> keras.Model:
    flat = _flat(model, file)
    if len(flat.input_shape) != 4 or flat.input_shape[-1] != 3:
        raise UnknownBaseError(
            f"A base takes RGB images, (height, width, 3). {file} takes {flat.input_shape[1:]}: put layers before it that make its "
            "input from RGB, and save it again."
        )
    outputs = {name: flat.get_layer(name).output for name in valid_cuts(flat)}
    shapes = {name: tuple(output.shape) for name, output in outputs.items() if isinstance(output, keras.KerasTensor)}
    last = _last_of(shapes, rank=4) or _last_of(shapes, rank=3)
    if last is None:
        raise UnknownBaseError(
            f"{file} has no layer with an output (height, width, channels) or (tokens, channels) that all paths lead through, so it is no "
            "base for features of images."
        )
    features = flat.get_layer(last).output
    base = keras.Model(flat.input, features, name=flat.name)
    if len(features.shape) == 3 and _counts_tokens(base):
        side = num_patches(model, flat.input_shape[1] or 0)
        features = _class_token(features, side, file) if cut == CLASS_TOKEN else _patch_grid(features, side)
        base = keras.Model(flat.input, features, name=flat.name)
    return base if size_px in (None, flat.input_shape[1]) else _copy(base, file, size_px)


def _last_of(shapes: Mapping[str, tuple[int | None, ...]], *, rank: int) -> str | None:
    return next((name for name in reversed(list(shapes)) if len(shapes[name]) == rank), None)


def _counts_tokens(base: keras.Model) -> bool:
    """Whether a network has as many tokens as it says: SigLIP's says one more, and no layer can be put on it."""
    _, height, width, channels = base.input_shape
    if None in (height, width):
        return False
    return bool(base(np.zeros((1, height, width, channels), np.float32)).shape[1] == base.output_shape[1])


def _patch_grid(tokens: keras.KerasTensor, side: int | None) -> keras.KerasTensor:
    """Tokens (B, T, C) without those that are no patches, as a grid (B, h, h, C); as they are if no patches are known."""
    _, count, channels = tokens.shape
    if not side or not count or side * side > count:
        return tokens
    special = count - side * side
    patches = keras.layers.Cropping1D((special, 0), name="patches")(tokens) if special else tokens
    return keras.layers.Reshape((side, side, channels), name="patch_grid")(patches)


def _class_token(tokens: keras.KerasTensor, side: int | None, file: Path) -> keras.KerasTensor:
    """The first of tokens (B, T, C), (B, C)."""
    _, count, channels = tokens.shape
    if not side or not count or side * side >= count:
        raise UnknownBaseError(f"{file} has no token of the class: all of its tokens are patches. Use --pool avg.")
    first = keras.layers.Cropping1D((0, count - 1), name="first_token")(tokens)
    return keras.layers.Reshape((channels,), name=CLASS_TOKEN)(first)


def _load(file: Path) -> keras.Model:
    check_regular(file, follow_links=True)
    try:
        if file.suffix == ".keras":
            check_archive(file)
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises errors of many kinds for files that it cannot read
        raise UnknownBaseError(f"{file} cannot be loaded as a base: {_first_sentence(error)}") from error
    if not isinstance(model, keras.Sequential) and not hasattr(model, "get_config"):
        raise UnknownBaseError(f"{file} holds a {type(model).__name__}, expected a Keras model.")
    return model


def _first_sentence(error: Exception) -> str:
    """What Keras says, with the cure where code is refused."""
    text = " ".join(str(error).split())
    if "ambda" in text:
        return (
            "it contains a Lambda layer, that is, code which anyone may have written. Replace it by a layer such as Rescaling, and save "
            "the model again."
        )
    return text[:400]


def _flat(model: keras.Model, file: Path) -> keras.Model:
    """The model as a graph of layers: those of models nested in it become part of its own."""
    is_flat = not isinstance(model, keras.Sequential) and not any(
        isinstance(layer, keras.Model) for layer in model.layers
    )
    if is_flat and model.inputs and len(model.inputs) == 1:
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return _copy(_expanded(model, file), file)


def _expanded(model: keras.Model, file: Path) -> keras.Model:
    """The same model without models nested in it, on the same layers, which then have connections of both."""
    taken: set[str] = set()

    def call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(operation, keras.Model):
            return expand(operation, args[0])
        while operation.name in taken:  # the same name in two of the models
            operation.name += "_again"
        taken.add(operation.name)
        return operation(*args, **kwargs)

    def expand(part: keras.Model, tensor: keras.KerasTensor) -> keras.KerasTensor:
        graph = keras.Model(part.inputs, part.outputs)  # a Sequential is one inside
        return graph._run_through_graph([tensor], operation_fn=lambda operation: partial(call, operation))[0]  # noqa: SLF001  Keras has no public way

    try:
        pixels = keras.Input(model.inputs[0].shape[1:], name="pixels")
        return keras.Model(pixels, expand(model, pixels), name=model.name)
    except (AttributeError, TypeError, ValueError) as error:
        raise UnknownBaseError(
            f"{file} holds a {type(model).__name__} without a graph of layers from one input to one output, which a base needs: build it "
            f"with keras.Sequential or keras.Model(inputs, outputs), and save it again. Keras says: {' '.join(str(error).split())[:200]}"
        ) from error


def _copy(base: keras.Model, file: Path, size_px: int | None = None) -> keras.Model:
    """The same graph on layers of its own, without the connections that those of the file have, for images of a size if it is given."""
    pixels = None if size_px is None else keras.Input((size_px, size_px, 3), name="pixels")
    try:
        made = keras.models.clone_model(base, input_tensors=pixels)
        made.set_weights(base.get_weights())
    except ValueError as error:
        images = "" if size_px is None else f" for images of {size_px} px"
        raise UnknownBaseError(f"{file} cannot be built{images}: {' '.join(str(error).split())[:300]}") from error
    return made


def _has_preprocessing(base: keras.Model) -> bool:
    """Whether a layer that scales pixels stands before the first one with trainable weights."""
    for layer in base.layers:
        if isinstance(layer, _PREPROCESSING_LAYERS):
            return True
        if layer.trainable_weights:
            return False
    return False
