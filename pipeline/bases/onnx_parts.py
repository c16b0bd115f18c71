"""What an ONNX file may contain: no weights in other files, no loops, no operations of other domains."""

from typing import Any


def foreign_part(proto: Any) -> str | None:
    """What a model has that can read files or run without end; None if there is nothing.

    All messages of the file are looked at, wherever they are: a tensor can be an initializer, an attribute, or a part of a sparse
    tensor, in the graph, in an inner graph or in a function.

    Args:
        proto: An `onnx.ModelProto`.
    """
    waiting = [proto]
    while waiting:
        message = waiting.pop()
        kind = message.DESCRIPTOR.name
        if kind == "FunctionProto" or (kind == "GraphProto" and message is not proto.graph):
            return "has inner graphs or functions, such as loops"
        if kind == "TensorProto" and (message.external_data or message.data_location):
            return "takes weights from other files"
        if kind == "NodeProto" and message.domain not in ("", "ai.onnx"):
            return f"has operations of another domain ({message.domain!r})"
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting += value if hasattr(value, "add") else [value]
    return None
