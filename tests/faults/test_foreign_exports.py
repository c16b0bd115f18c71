"""Exported files from elsewhere: an error of a library is an error of the file, no other file is read, and nothing runs without end."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline.errors import PipelineError, RunNotFoundError
from pipeline.exports.description import KEY, NAME, add_member
from pipeline.exports.formats import check_exported, load_format
from pipeline.stage_two.dense.build import load_dense
from tests.exports.models import LABELS, SIZE_PX, describe, make_pixels

DEEP = "[" * 100_000 + "]" * 100_000
SHAPE = (SIZE_PX, SIZE_PX, 3)


def _external(tensor: TensorProto, location: str) -> TensorProto:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def _weights(name: str = "W") -> TensorProto:
    values = np.linspace(-1, 1, int(np.prod(SHAPE)) * len(LABELS), dtype=np.float32).reshape(-1, len(LABELS))
    return numpy_helper.from_array(values, name)


def _model(*more: onnx.NodeProto, weights: TensorProto | None = None, last: str = "scores") -> onnx.ModelProto:
    """Softmax(flat pixels times weights); `more` nodes are put in between."""
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "W"], ["scores"]),
        *more,
        helper.make_node("Softmax", [last], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", *SHAPE])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(LABELS)])],
        [_weights() if weights is None else weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    model.metadata_props.add(key=KEY, value=describe().to_json())
    return model


def _sparse(location: str) -> onnx.SparseTensorProto:
    values = _external(numpy_helper.from_array(np.ones(1, np.float32), "S"), location)
    return helper.make_sparse_tensor(values, numpy_helper.from_array(np.zeros(1, np.int64), "i"), [3])


def _in_function(location: str) -> onnx.ModelProto:
    model = _model(helper.make_node("Own", ["scores"], ["out"], domain="own"), last="out")
    constant = helper.make_node(
        "Constant", [], ["c"], value=_external(numpy_helper.from_array(np.ones(3, np.float32)), location)
    )
    body = [constant, helper.make_node("Add", ["x", "c"], ["y"])]
    model.functions.append(helper.make_function("own", "Own", ["x"], ["y"], body, [helper.make_opsetid("", 17)]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def _sparse_initializer(location: str) -> onnx.ModelProto:
    model = _model(helper.make_node("Add", ["scores", "S"], ["out"]), last="out")
    model.graph.sparse_initializer.append(_sparse(location))
    return model


def _sparse_constant(location: str) -> onnx.ModelProto:
    node = helper.make_node("Constant", [], ["S"], sparse_value=_sparse(location))
    return _model(node, helper.make_node("Add", ["scores", "S"], ["out"]), last="out")


def _training(location: str) -> onnx.ModelProto:
    model = _model()
    model.training_info.add().initialization.initializer.append(_external(_weights("T"), location))
    return model


READERS = {
    "an initializer": lambda location: _model(weights=_external(_weights(), location)),
    "a function": _in_function,
    "a sparse initializer": _sparse_initializer,
    "a sparse constant": _sparse_constant,
    "training information": _training,
}


@pytest.mark.parametrize("location", ["secret.bin", "../secret.bin", "/etc/hostname", "link.bin"])
@pytest.mark.parametrize("where", READERS)
def test_onnx_that_reads_other_files_is_refused(where: str, location: str):
    """Wherever in the file the tensor is, and whatever file it names."""
    Path("model.onnx").write_bytes(READERS[where](location).SerializeToString())

    with pytest.raises(
        PipelineError, match=r"model\.onnx (takes weights from other files|has inner graphs or functions)"
    ):
        load_format(Path("model.onnx"))


def _loop() -> onnx.NodeProto:
    """Runs for ever."""
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    inputs = [helper.make_tensor_value_info("n", TensorProto.INT64, []), condition]
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"])],
        "body",
        inputs,
        [helper.make_tensor_value_info("d", TensorProto.BOOL, [])],
    )
    return helper.make_node("Loop", ["", ""], [], body=body)


def _write(model: onnx.ModelProto) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(model.SerializeToString()) and None


def _not_finite() -> onnx.ModelProto:
    return _model(weights=numpy_helper.from_array(np.full((int(np.prod(SHAPE)), len(LABELS)), np.nan, np.float32), "W"))


def _fails_at_run_time() -> onnx.ModelProto:
    shape = numpy_helper.from_array(np.array([7, 5]), "shape")
    model = _model(helper.make_node("Reshape", ["scores", "shape"], ["out"]), last="out")
    model.graph.initializer.append(shape)
    return model


ONNX = {
    "a loop": _write(_model(_loop())),
    "an unknown operation": _write(_model(helper.make_node("Nothing", ["scores"], ["out"]), last="out")),
    "another domain": _write(_model(helper.make_node("Gelu", ["scores"], ["out"], domain="com.microsoft"), last="out")),
    "NaN weights": _write(_not_finite()),
    "an error at run time": _write(_fails_at_run_time()),
    "a text": lambda path: path.write_text("content") and None,
    "nothing": lambda path: path.touch(),
    "half of it": lambda path: path.write_bytes(_model().SerializeToString()[:-300]) and None,
}


@pytest.mark.parametrize("fault", ONNX)
def test_bad_onnx_is_an_error_of_its_file(fault: str):
    """Loading it or predicting with it raises, with its name."""
    ONNX[fault](Path("model.onnx"))

    with pytest.raises(PipelineError, match=r"model\.onnx"):
        load_format(Path("model.onnx"))[1](make_pixels(2))


def test_good_onnx_predicts():
    """The same model without a fault is fine."""
    _write(_model())(Path("model.onnx"))
    description, predict = load_format(Path("model.onnx"))

    assert description.task.names == LABELS
    np.testing.assert_allclose(predict(make_pixels(2)).sum(axis=1), 1, rtol=1e-5)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Keras export. Read only."""
    inputs = keras.Input(SHAPE)
    path = tmp_path_factory.mktemp("good") / "model.keras"
    keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(inputs))).save(path)
    add_member(path, describe())
    return path


def _with_member(name: str, content: bytes | str) -> Callable[[Path], None]:
    """The archive with another content of one member."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path) as old:
            members = {entry: old.read(entry) for entry in old.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for entry, data in (members | {name: content}).items():
                new.writestr(entry, data)

    return write


def _corrupt_deflate(path: Path) -> None:
    _with_member("more", "")(path)
    with zipfile.ZipFile(path) as archive:
        starts = [member.header_offset + 30 + len(member.filename) for member in archive.infolist()]
    data = bytearray(path.read_bytes())
    for start in starts:
        data[start + 4 : start + 20] = b"\xff" * 16
    path.write_bytes(data)


def _layer(name: str, **config: object) -> Callable[[Path], None]:
    """A value in the configuration of a layer."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            model = json.loads(archive.read("config.json"))
        for layer in model["config"]["layers"]:
            if layer["class_name"] == name:
                layer["config"] |= config
        _with_member("config.json", json.dumps(model))(path)

    return write


KERAS = {
    "deep JSON in the network": _with_member("config.json", f'{{"a": {DEEP}}}'),
    "deep JSON in the description": _with_member(NAME, DEEP),
    "a list as the description": _with_member(NAME, "[]"),
    "a text as the labels of the description": _with_member(
        NAME, describe().to_json().replace('"labels": [', '"labels": "abc", "x": [')
    ),
    "a number as the decoder of the description": _with_member(
        NAME, '{"schema": 1, "labels": ["a"], "decoder": 1, "origin": {}}'
    ),
    "no weights": _with_member("model.weights.h5", b""),
    "corrupt deflate": _corrupt_deflate,
    "a class of nobody": _layer("Dense", activation="nothing"),
    "a negative layer": _layer("Dense", units=-1),
    "no archive": lambda path: path.write_bytes(b"content") and None,
}


@pytest.mark.parametrize("fault", KERAS)
def test_bad_keras_file_is_an_error_of_its_file(fault: str, good: Path):
    """Loading it raises, with its name."""
    shutil.copy(good, "model.keras")
    KERAS[fault](Path("model.keras"))

    with pytest.raises(PipelineError, match=r"model\.keras"):
        load_format(Path("model.keras"))


@pytest.mark.parametrize("fault", [fault for fault in KERAS if "description" not in fault])
def test_bad_dense_head_is_an_error_of_its_file(fault: str, good: Path):
    """The head of a run is read by the same library, with the same care."""
    shutil.copy(good, "head.keras")
    assert load_dense(Path("head.keras")).num_outputs == len(LABELS)
    KERAS[fault](Path("head.keras"))

    with pytest.raises(PipelineError, match=r"head\.keras"):
        load_dense(Path("head.keras"))


def test_dense_head_with_nan_weights_is_refused(good: Path):
    """The message names the file and the layer."""
    model = keras.saving.load_model(good)
    model.layers[-1].set_weights([np.full_like(weight, np.nan) for weight in model.layers[-1].get_weights()])
    model.save("head.keras")

    with pytest.raises(PipelineError, match=r"head\.keras has weights that are NaN or infinite, in the layer 'dense"):
        load_dense(Path("head.keras"))


@pytest.mark.parametrize("ending", [".keras", ".onnx", ".tflite"])
def test_special_files_are_no_exports(ending: str):
    """A pipe and an endless device are refused at once."""
    os.mkfifo(f"pipe{ending}")
    Path(f"zero{ending}").symlink_to("/dev/zero")

    for name in ("pipe", "zero"):
        with pytest.raises(RunNotFoundError, match=name):
            check_exported(Path(f"{name}{ending}"))
