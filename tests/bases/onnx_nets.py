"""Small ONNX networks as PyTorch would export them: channels first, names with slashes."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

PIXELS = ["N", 3, "H", "W"]


def weights(name: str, *shape: int) -> TensorProto:
    """Random weights, the same for the same name and shape."""
    seed = sum(name.encode())
    return numpy_helper.from_array(np.random.default_rng(seed).normal(0, 0.3, shape).astype(np.float32), name)


def save(
    path: Path, nodes: list, tensors: list, *, pixels: list | None = None, outputs: dict | None = None, opset: int = 17
) -> Path:
    """Write a network with the input `image`."""
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, pixels or PIXELS)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (outputs or {}).items()],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def save_conv_net(path: Path, *, pixels: list | None = None, opset: int = 17, activation: str = "Relu") -> Path:
    """Two convolutions with a connection around the second, then a classifier of five classes."""
    nodes = [
        helper.make_node(
            "Conv", ["image", "w1"], ["/first/Conv_output_0"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]
        ),
        helper.make_node(activation, ["/first/Conv_output_0"], ["/first/Relu_output_0"]),
        helper.make_node("Conv", ["/first/Relu_output_0", "w2"], ["/second/Conv_output_0"], kernel_shape=[1, 1]),
        helper.make_node("Add", ["/second/Conv_output_0", "/first/Relu_output_0"], ["/Add_output_0"]),
        helper.make_node("GlobalAveragePool", ["/Add_output_0"], ["/pool"]),
        helper.make_node("Flatten", ["/pool"], ["/flat"]),
        helper.make_node("Gemm", ["/flat", "w3"], ["logits"]),
    ]
    tensors = [weights("w1", 8, 3, 3, 3), weights("w2", 8, 8, 1, 1), weights("w3", 8, 5)]
    return save(path, nodes, tensors, pixels=pixels, outputs={"logits": [None, 5]}, opset=opset)


def save_transformer(path: Path, *, batch: int | str = "N") -> Path:
    """Patches of 8 px of an image of 32 px as tokens, after one of the class; each becomes a mixture of all; the token of the class."""
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["patches"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Reshape", ["patches", "flat"], ["flattened"]),
        helper.make_node("Transpose", ["flattened"], ["tokens"], perm=[0, 2, 1]),
        helper.make_node("Shape", ["tokens"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "one"], ["count"]),
        helper.make_node("Concat", ["count", "single"], ["wanted"], axis=0),
        helper.make_node("Expand", ["class", "wanted"], ["class_tokens"]),
        helper.make_node("Concat", ["class_tokens", "tokens"], ["all"], axis=1),
        helper.make_node("MatMul", ["mix", "all"], ["mixed"]),
        helper.make_node("MatMul", ["mixed", "w2"], ["/norm/out"]),
        helper.make_node("Gather", ["/norm/out", "first"], ["embedding"], axis=1),
    ]

    def whole(name: str, *values: int) -> TensorProto:
        return numpy_helper.from_array(np.array(values), name)

    numbers = [whole("flat", 0, 12, 16), whole("zero", 0), whole("one", 1), whole("single", 1, 12)]
    first: NDArray[np.int64] = np.array(0)
    tensors = [weights("w1", 12, 3, 8, 8), weights("w2", 12, 12), weights("class", 1, 1, 12)]
    tensors += [weights("mix", 17, 17), *numbers, numpy_helper.from_array(first, "first")]
    return save(path, nodes, tensors, pixels=[batch, 3, 32, 32], outputs={"embedding": [None, 12]})


def run(path: Path, name: str, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """What ONNX's own evaluator makes of preprocessed pixels, (N, 3, H, W), at a tensor of the file."""
    from onnx.reference import ReferenceEvaluator

    model = onnx.load(path)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    return ReferenceEvaluator(model).run(None, {"image": pixels})[0]
