"""Initializers of ONNX files."""

import numpy as np
import pytest

from pipeline.bases.onnx import read_initializers
from pipeline.errors import WeightsMismatchError
from tests.bases.onnx_files import FLOAT, INT64, message, onnx_model, ramp, tensor


def test_initializers_come_with_their_names_and_shapes():
    """Scalars, vectors and kernels are read as declared; other fields are skipped."""
    kernel, bias, scalar = ramp(4, 3, 2, 2), ramp(4), np.float32(7).reshape(())

    received = read_initializers(onnx_model(tensor("k", kernel), tensor("b", bias), tensor("s", scalar)))

    assert list(received) == ["k", "b", "s"]
    np.testing.assert_array_equal(received["k"], kernel)
    np.testing.assert_array_equal(received["b"], bias)
    assert received["s"].shape == ()
    assert {values.dtype for values in received.values()} == {np.dtype("float32")}


def test_initializers_of_other_types_are_left_out():
    """Shapes and axes are int64 tensors of the graph, not weights."""
    axes = np.array([2, 3])

    assert list(read_initializers(onnx_model(tensor("axes", axes, INT64), tensor("k", ramp(2))))) == ["k"]


@pytest.mark.parametrize(
    "data",
    [
        b"not a model",
        onnx_model(tensor("k", ramp(4)))[:-3],
        onnx_model(message((1, 4), (2, FLOAT), (8, b"k"), (9, ramp(3).tobytes()))),
        onnx_model(message((1, 4), (2, FLOAT), (8, b"k"), (9, ramp(4).tobytes()[:-1]))),
        onnx_model(message((1, 4), (2, FLOAT), (8, b"k"))),
    ],
    ids=["garbage", "truncated", "three of four values", "half a value", "no values"],
)
def test_a_damaged_model_is_refused(data: bytes):
    """A tensor with too few bytes is an error, never a shorter tensor."""
    with pytest.raises(WeightsMismatchError, match=r"^Not a readable ONNX model: "):
        read_initializers(data)


def test_tensors_are_those_of_the_library():
    """A model that the library `onnx` has written gives the arrays that it was made from."""
    onnx = pytest.importorskip("onnx")
    kernel = ramp(4, 3, 2, 2)
    weights = onnx.numpy_helper.from_array(kernel, "kernel")
    node = onnx.helper.make_node("Conv", ["x", "kernel"], ["y"])
    ports = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "xy"]
    graph = onnx.helper.make_graph([node], "graph", ports[:1], ports[1:], [weights])
    received = read_initializers(onnx.helper.make_model(graph).SerializeToString())

    assert list(received) == ["kernel"]
    np.testing.assert_array_equal(received["kernel"], kernel)
