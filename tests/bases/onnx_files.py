"""ONNX models written by hand, without the library."""

import numpy as np

FLOAT, INT64 = 1, 7


def varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def message(*fields: tuple[int, int | bytes]) -> bytes:
    """Protobuf's wire format: a number as varint, bytes after their length."""
    return b"".join(
        varint(number << 3) + varint(value)
        if isinstance(value, int)
        else varint(number << 3 | 2) + varint(len(value)) + value
        for number, value in fields
    )


def tensor(name: str, values: np.ndarray, kind: int = FLOAT) -> bytes:
    """TensorProto of onnx.proto3: dims 1, data_type 2, name 8, raw_data 9, and doc_string 12, which is not read."""
    dims = [(1, size) for size in values.shape]
    return message(*dims, (2, kind), (8, name.encode()), (12, b"a note"), (9, values.tobytes()))


def onnx_model(*tensors: bytes) -> bytes:
    """ModelProto: ir_version 1, graph 7 (node 1, name 2, initializer 5)."""
    graph = message((1, message((4, b"Conv"))), (2, b"a graph"), *((5, item) for item in tensors))
    return message((1, 8), (7, graph))


def ramp(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype="<f4").reshape(shape)
