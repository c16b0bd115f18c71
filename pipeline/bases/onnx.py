"""Reading the tensors of an ONNX file with protobuf, which TensorFlow installs.

The package `onnx` would do it, but it is an optional extra, and VGG16's default weights must load without one. Only the fields
of onnx.proto3 that lead to initializers are declared; protobuf skips the others.
"""

import functools

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from pipeline.errors import WeightsMismatchError

_FLOAT = 1  # TensorProto.DataType.FLOAT


def read_initializers(data: bytes) -> dict[str, NDArray[np.float32]]:
    """The float32 initializers of a model by name, with their declared shapes.

    Raises:
        WeightsMismatchError: The bytes are not an ONNX model, or a tensor is truncated.
    """
    try:
        model = _model_class().FromString(data)
        return {
            tensor.name: np.frombuffer(tensor.raw_data, "<f4").reshape(tuple(tensor.dims))
            for tensor in model.graph.initializer
            if tensor.data_type == _FLOAT
        }
    except (DecodeError, ValueError) as error:
        raise WeightsMismatchError(f"Not a readable ONNX model: {error}.") from error


@functools.cache
def _model_class() -> type[Message]:
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="initializers.proto", package="onnx_part", syntax="proto2")
    tensor = file.message_type.add(name="TensorProto")
    tensor.field.add(name="dims", number=1, type=field.TYPE_INT64, label=field.LABEL_REPEATED)
    tensor.field.add(name="data_type", number=2, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    tensor.field.add(name="name", number=8, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    tensor.field.add(name="raw_data", number=9, type=field.TYPE_BYTES, label=field.LABEL_OPTIONAL)
    graph = file.message_type.add(name="GraphProto")
    graph.field.add(
        name="initializer",
        number=5,
        type=field.TYPE_MESSAGE,
        label=field.LABEL_REPEATED,
        type_name=".onnx_part.TensorProto",
    )
    model = file.message_type.add(name="ModelProto")
    model.field.add(
        name="graph", number=7, type=field.TYPE_MESSAGE, label=field.LABEL_OPTIONAL, type_name=".onnx_part.GraphProto"
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made: type[Message] = message_factory.GetMessageClass(pool.FindMessageTypeByName("onnx_part.ModelProto"))
    return made
