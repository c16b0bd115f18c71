"""The `.onnx` file: converted by tf2onnx, run by ONNX Runtime; the description is in its metadata."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.onnx_parts import foreign_part
from pipeline.errors import DamagedStoreError, MissingExtraError, SettingError, foreign_file
from pipeline.exports.description import KEY, Description, Predict, check_shapes
from pipeline.files import read_regular

if TYPE_CHECKING:
    import keras

NAME = "ONNX"
_OPSET = 17
NEWEST_OPSET = 18
"""The newest one that tf2onnx writes."""

_MAX_BYTES = 2**31  # the format stores lengths in 32 bits


def require() -> None:
    """Check that the converter and the runtime are installed.

    Raises:
        MissingExtraError: They are not.
    """
    if not all(map(find_spec, ("tf2onnx", "onnx", "onnxruntime"))):
        raise MissingExtraError("ONNX files need packages of their own: pip install 'bottleneck-pipeline[onnx]'.")


def write(model: "keras.Model", path: Path, description: Description) -> None:
    """Write the file: input `pixels`, output `probabilities` or `values`, and `p_value` if the model gives it; any batch size.

    Raises:
        SettingError: The base has an operation that ONNX does not know.
    """
    write_proto(convert(model, "pixels", description.task.output_name), path, description)


def write_proto(proto: Any, path: Path, description: Description) -> None:
    """Write an `onnx.ModelProto` with its description."""
    proto.metadata_props.add(key=KEY, value=description.to_json())
    path.write_bytes(proto.SerializeToString())


def convert(model: "keras.Model", input_name: str, output_name: str, opset: int = _OPSET) -> Any:
    """A Keras model as `onnx.ModelProto`, with these names of its input and its output; outputs that have names keep them.

    Raises:
        SettingError: It has an operation that ONNX does not know.
    """
    import onnx
    import tensorflow as tf
    import tf2onnx

    def call(inputs: Any) -> Any:
        made = model(inputs, training=False)
        return made if isinstance(made, dict) else {output_name: made}

    inputs = tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name=input_name)
    function = tf.function(call, input_signature=[inputs], autograph=False)
    proto, _ = tf2onnx.convert.from_function(function, input_signature=[inputs], opset=opset)
    unknown = {node.op_type for node in proto.graph.node if not onnx.defs.has(node.op_type)}
    if unknown:
        raise SettingError(
            f"ONNX has no {', '.join(sorted(unknown))}, which this base needs. Export to .keras, .tflite or a folder instead."
        )
    return proto


def describe(path: Path) -> Description:
    """The description in an exported file.

    Raises:
        DamagedStoreError: It has none.
    """
    with foreign_file(path, "is not an ONNX file"):
        data = read_regular(path, _MAX_BYTES, follow_links=True)
    return _read_description(path, data)


def load(path: Path) -> tuple[Description, Predict]:
    """Load with ONNX Runtime, on the CPU.

    Weights outside the file are refused, since they could be any file, and so are loops, which nothing could end.

    Raises:
        DamagedStoreError: It is not an exported file.
        MissingExtraError: The runtime is not installed.
    """
    require()
    import onnxruntime

    data = read_regular(path, _MAX_BYTES, follow_links=True)
    description = _read_description(path, data)
    onnxruntime.set_default_logger_severity(4)  # fatal errors only: it logs what it raises
    with foreign_file(path, "cannot be loaded by ONNX Runtime"):
        # From memory: what was checked is what is loaded.
        session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
        inputs, outputs = session.get_inputs(), session.get_outputs()
    wanted = description.output_names if description.p_values else tuple(output.name for output in outputs[:1])
    if len(inputs) != 1 or {output.name for output in outputs} != set(wanted):
        raise DamagedStoreError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; an exported file has one each, and the output p_value if its "
            "description says so."
        )
    shapes = {output.name: output.shape for output in outputs}
    check_shapes(path, description, inputs[0].shape, *(shapes[name] for name in wanted))

    def predict(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        made: list[NDArray[Any]] = session.run(list(wanted), {inputs[0].name: pixels})
        return np.concatenate(made, axis=1) if description.p_values else made[0]

    return description, predict


def _read_description(path: Path, data: bytes) -> Description:
    import onnx

    with foreign_file(path, "is not an ONNX file"):
        proto = onnx.ModelProto.FromString(data)
        texts = {entry.key: entry.value for entry in proto.metadata_props}
        problem = foreign_part(proto)
    if KEY not in texts:
        raise DamagedStoreError(f"{path} has no description ({KEY!r} in its metadata), so it is no export of a run.")
    if problem:
        raise DamagedStoreError(f"{path} {problem}, which no exported file does.")
    return Description.from_json(texts[KEY], path)
