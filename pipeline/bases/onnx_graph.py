"""An ONNX base between pixels and stored rows, as one ONNX model: preprocessing before it, layout and pooling after it."""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.names import CLASS_TOKEN
from pipeline.bases.onnx_model import OnnxBase, onnx_packages
from pipeline.bases.table import Preprocessing

INPUT, OUTPUT = "pixels", "features"
"""Names of the pixels and of the rows."""

_AXES_ARE_INPUTS = 18
"""Operator set from which ReduceMean and ReduceMax take their axes as an input."""


def on_pixels(base: OnnxBase, cut: str, preprocessing: Preprocessing, pooling: str, *, pixels: str = "uint8") -> Any:
    """RGB pixels in [0, 255], (N, H, W, 3), to float32 rows: grids (N, h, w, C), tokens (N, T, C), or (N, C).

    Args:
        base: The network.
        cut: Where it ends.
        preprocessing: Of the pixels.
        pooling: `none`, `avg` or `max`.
        pixels: `uint8` or `float32`.

    Returns:
        An `onnx.ModelProto`.
    """
    onnx, _ = onnx_packages()
    graph = _Graph(onnx, next(entry.version for entry in base.model.opset_import if entry.domain in ("", "ai.onnx")))
    _prepare(graph, base, preprocessing)
    graph.take(*base.trunk(cut))
    shape = _finish(graph, base, cut, pooling)
    size = (base.size_px, base.size_px, 3)
    batch = base.batch_size or "N"
    kinds = {"uint8": onnx.TensorProto.UINT8, "float32": onnx.TensorProto.FLOAT}
    made = onnx.helper.make_graph(
        graph.nodes,
        "rows",
        [onnx.helper.make_tensor_value_info(INPUT, kinds[pixels], [batch, *size])],
        [onnx.helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, [batch, *shape])],
        graph.tensors,
    )
    model = onnx.helper.make_model(made, opset_imports=base.model.opset_import)
    model.ir_version = base.model.ir_version
    return model


def _prepare(graph: "_Graph", base: OnnxBase, preprocessing: Preprocessing) -> None:
    value = graph.add("Cast", INPUT, to=graph.onnx.TensorProto.FLOAT)
    if preprocessing.order == "BGR":
        value = graph.add("Gather", value, graph.constant(np.array([2, 1, 0])), axis=3)
    value = graph.add("Mul", value, graph.constant(np.array(preprocessing.scale, np.float32)))
    value = graph.add("Add", value, graph.constant(np.array(preprocessing.offset, np.float32)))
    if base.is_nchw:
        value = graph.add("Transpose", value, perm=[0, 3, 1, 2])
    graph.add("Cast", value, to=base.pixels.type.tensor_type.elem_type, output=_inside(base.pixels.name))


def _finish(graph: "_Graph", base: OnnxBase, cut: str, pooling: str) -> tuple[int, ...]:
    """Layout, pooling, and the shape of a row."""
    shape = base.row_shape(cut)
    value = graph.add("Cast", _inside(base.raw_name(cut)), to=graph.onnx.TensorProto.FLOAT)
    if base.has_channels_first(cut):
        value = graph.add("Transpose", value, perm=[0, 2, 3, 1])
    if cut == CLASS_TOKEN:
        value = graph.add("Gather", value, graph.constant(np.array(0)), axis=1)
    special = base.special_tokens(cut)
    if special:
        limits = (np.array([number]) for number in (special, 2**31, 1))
        value = graph.add("Slice", value, *(graph.constant(limit) for limit in limits))
    if len(shape) == 3:
        value = graph.add("Reshape", value, graph.constant(np.array([-1, *shape])))
    if pooling == "none" or len(shape) == 1:
        graph.add("Identity", value, output=OUTPUT)
        return shape
    operation = "ReduceMean" if pooling == "avg" else "ReduceMax"
    graph.reduce(operation, value, axes=list(range(1, len(shape))))
    return shape[-1:]


class _Graph:
    """Operations in order, with names that no file has."""

    def __init__(self, onnx: Any, opset: int) -> None:
        self.onnx, self._opset = onnx, opset
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self._names: Iterator[str] = (f"bottleneck_{number}" for number in count())

    def take(self, nodes: Sequence[Any], tensors: Sequence[Any]) -> None:
        """Append operations and weights of a file under names of their own."""
        for original in nodes:
            node = self.onnx.NodeProto()
            node.CopyFrom(original)
            node.input[:] = map(_inside, original.input)
            node.output[:] = map(_inside, original.output)
            node.name = next(self._names)
            self.nodes.append(node)
        for original in tensors:
            tensor = self.onnx.TensorProto()
            tensor.CopyFrom(original)
            tensor.name = _inside(original.name)
            self.tensors.append(tensor)

    def add(self, operation: str, *inputs: str, output: str | None = None, **settings: Any) -> str:
        """Append an operation; the name of its output."""
        name = output or next(self._names)
        self.nodes.append(self.onnx.helper.make_node(operation, inputs, [name], name=next(self._names), **settings))
        return name

    def constant(self, value: NDArray[Any]) -> str:
        """Append a constant; its name."""
        self.tensors.append(self.onnx.numpy_helper.from_array(value, next(self._names)))
        return str(self.tensors[-1].name)

    def reduce(self, operation: str, value: str, axes: list[int]) -> None:
        """Append the mean or maximum over axes, which is the output."""
        takes_input = self._opset >= _AXES_ARE_INPUTS
        inputs = [value, self.constant(np.array(axes))] if takes_input else [value]
        settings = {} if takes_input else {"axes": axes}
        self.add(operation, *inputs, output=OUTPUT, keepdims=0, **settings)


def _inside(name: str) -> str:
    """The name of a file's tensor beside ours; an input that is left out has none."""
    return f"base/{name}" if name else ""
