"""The `.onnx` file: converted by tf2onnx, run by ONNX Runtime; the description is in its metadata."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedStoreError, MissingExtraError
from pipeline.exports.description import KEY, Description, Predict, check_shapes

if TYPE_CHECKING:
    import keras

NAME = "ONNX"
_OPSET = 17


def require() -> None:
    """Check that the converter and the runtime are installed.

    Raises:
        MissingExtraError: They are not.
    """
    if not all(map(find_spec, ("tf2onnx", "onnx", "onnxruntime"))):
        raise MissingExtraError("ONNX files need packages of their own: pip install 'bottleneck-pipeline[onnx]'.")


def write(model: "keras.Model", path: Path, description: Description) -> None:
    """Write the file: input `pixels`, output `probabilities`, any batch size."""
    import tensorflow as tf
    import tf2onnx

    pixels = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="pixels")
    function = tf.function(
        lambda pixels: {"probabilities": model(pixels, training=False)}, input_signature=[pixels], autograph=False
    )
    proto, _ = tf2onnx.convert.from_function(function, input_signature=[pixels], opset=_OPSET)
    proto.metadata_props.add(key=KEY, value=description.to_json())
    path.write_bytes(proto.SerializeToString())


def load(path: Path) -> tuple[Description, Predict]:
    """Load with ONNX Runtime, on the CPU. Weights outside the file are refused: they could be any file.

    Raises:
        DamagedStoreError: It is not an exported file.
        MissingExtraError: The runtime is not installed.
    """
    require()
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    description = _read_description(path)
    onnxruntime.set_default_logger_severity(3)  # errors only
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except (
        states.Fail,
        states.InvalidArgument,
        states.InvalidGraph,
        states.InvalidProtobuf,
        states.NoModel,
        states.NotImplemented,
        states.RuntimeException,
    ) as error:
        raise DamagedStoreError(f"{path} cannot be loaded by ONNX Runtime: {error}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise DamagedStoreError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; an exported file has one each."
        )
    check_shapes(path, description, inputs[0].shape, outputs[0].shape)

    def predict(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        probabilities: NDArray[Any] = session.run(None, {inputs[0].name: pixels})[0]
        return probabilities

    return description, predict


def _read_description(path: Path) -> Description:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError, OSError) as error:
        raise DamagedStoreError(f"{path} is not an ONNX file: {error}") from error
    texts = {entry.key: entry.value for entry in proto.metadata_props}
    if KEY not in texts:
        raise DamagedStoreError(f"{path} has no description ({KEY!r} in its metadata), so it is no export of a run.")
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(proto.graph)):
        raise DamagedStoreError(f"{path} takes weights from other files; an exported file holds its own.")
    return Description.from_json(texts[KEY], path)


def _tensors(graph: Any) -> Iterator[Any]:
    """All tensors of a graph and of its inner graphs."""
    yield from graph.initializer
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for inner in (attribute.g, *attribute.graphs):
            yield from _tensors(inner)
