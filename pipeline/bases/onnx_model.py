"""ONNX files as bases: networks of PyTorch, timm and others, from an image to one of their tensors."""

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.bases.digests import TrunkInfo
from pipeline.bases.known_files import FileFacts
from pipeline.bases.names import CLASS_TOKEN
from pipeline.bases.onnx_parts import foreign_part
from pipeline.errors import (
    InvalidCutError,
    MissingExtraError,
    UnknownBaseError,
    WeightsMismatchError,
    did_you_mean,
    foreign_file,
)
from pipeline.files import read_regular

_MAX_BYTES = 2**31
"""The format stores lengths in 32 bits."""

_ANY_SIZE_PX = 224
"""Taken by networks for images of any size, unless `--size` says otherwise."""

_MAX_SPECIAL = 5
"""Tokens that are no patches, at most: one of the class, four registers."""

_NOT_IN_CUTS = re.compile(r"[^A-Za-z0-9_.-]+")

_CURES = {
    "takes weights": "Save it in one file: onnx.save(onnx.load(PATH), 'whole.onnx'); torch.onnx.export has external_data=False.",
    "has inner": "Export it again with fixed sizes, or simplify it with the package onnxsim.",
    "has operations": "Export it again with the standard operations only.",
}


def onnx_packages() -> tuple[Any, Any]:
    """The packages onnx and onnxruntime.

    Raises:
        MissingExtraError: They are not installed.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            "An ONNX file as the base needs packages of its own: pip install 'bottleneck-pipeline[onnx]'."
        ) from error
    onnxruntime.set_default_logger_severity(4)  # fatal errors only: it logs what it raises
    return onnx, onnxruntime


def describe_onnx(file: Path) -> FileFacts:
    """What the pipeline has to know of an ONNX file.

    Raises:
        UnknownBaseError: It cannot be a base; the message says why.
        MissingExtraError: The packages for ONNX are not installed.
    """
    base = OnnxBase.open(file)
    cut = base.default_cut
    return FileFacts(
        mode="none" if base.takes_bytes else "",
        scale=[],
        offset=[],
        native_px=base.size_px,
        smallest_px=1,
        last_layer=cut,
        channels=base.row_shape(cut)[-1],
        parameters=base.trunk_info(cut).parameters,
    )


@dataclass(frozen=True)
class OnnxBase:
    """An ONNX model that takes one image, and the tensors at which it can be cut.

    Tensors are named as in the file, with `_` for characters that have no place in the name of a folder.
    """

    file: Path
    model: Any
    """An `onnx.ModelProto`."""

    size_px: int
    """Height and width of the images."""

    @classmethod
    def open(cls, file: Path, size_px: int | None = None) -> Self:
        """Read and check a file.

        Args:
            file: The ONNX file.
            size_px: Height and width of the images; None: those of the file, or 224 px if it takes any.

        Raises:
            UnknownBaseError: It is no ONNX file, or not one that can be a base for images of this size.
            MissingExtraError: The packages for ONNX are not installed.
        """
        onnx, _ = onnx_packages()
        with foreign_file(file, "cannot be loaded as a base", error_type=UnknownBaseError):
            model = onnx.ModelProto.FromString(read_regular(file, _MAX_BYTES, follow_links=True))
            problem = foreign_part(model)
        if problem:
            cure = next(cure for start, cure in _CURES.items() if problem.startswith(start))
            raise UnknownBaseError(f"{file} {problem}, so it cannot be a base. {cure}")
        base = cls(file, model, 0)
        known = base.known_size_px
        if known and size_px not in (None, known):
            raise UnknownBaseError(f"{file} takes images of {known} px only. Received: --size {size_px}.")
        return replace(base, size_px=known or size_px or _ANY_SIZE_PX)

    @cached_property
    def pixels(self) -> Any:
        """The input, an `onnx.ValueInfoProto`.

        Raises:
            UnknownBaseError: There is not exactly one, or it takes no RGB images.
        """
        weights = {tensor.name for tensor in self.model.graph.initializer}
        inputs = [value for value in self.model.graph.input if value.name not in weights]
        shapes = [_dims(value) for value in inputs]
        if len(inputs) != 1 or len(shapes[0]) != 4 or 3 not in (shapes[0][1], shapes[0][3]):
            listed = ", ".join(f"{value.name} {shape}" for value, shape in zip(inputs, shapes, strict=True))
            raise UnknownBaseError(
                "A base takes RGB images, (N, 3, height, width) or (N, height, width, 3), and nothing else. "
                f"{self.file} takes: {listed or 'nothing'}."
            )
        return inputs[0]

    @cached_property
    def is_nchw(self) -> bool:
        """Whether channels come before height and width."""
        return _dims(self.pixels)[1] == 3

    @property
    def takes_bytes(self) -> bool:
        """Whether pixels are uint8, so that the network contains its preprocessing."""
        onnx, _ = onnx_packages()
        return bool(self.pixels.type.tensor_type.elem_type == onnx.TensorProto.UINT8)

    @property
    def known_size_px(self) -> int | None:
        """The size of images that the file is made for; None if it takes any.

        Raises:
            UnknownBaseError: They are not square.
        """
        _, first, second, third = _dims(self.pixels)
        sides = {side for side in ((second, third) if self.is_nchw else (first, second)) if side}
        if len(sides) > 1:
            raise UnknownBaseError(f"A base takes square images. {self.file} takes {_dims(self.pixels)}.")
        return sides.pop() if sides else None

    @cached_property
    def batch_size(self) -> int | None:
        """The number of images that the file takes at a time; None if it takes any."""
        return self._probed[0]

    @cached_property
    def cuts(self) -> dict[str, str]:
        """Tensors that all paths lead through, in order: their names as cuts, and in the file."""
        return {name: raw for name, raw in self._tensors.items() if raw in self._dividing and self._row_shapes.get(raw)}

    @cached_property
    def default_cut(self) -> str:
        """The last cut that has a grid of more than one position, or tokens; failing these, the last one.

        Raises:
            UnknownBaseError: There is no cut.
        """
        names = list(self.cuts)
        spatial = [name for name in names if math.prod(self.row_shape(name)[:-1]) > 1]
        if not names:
            raise UnknownBaseError(f"{self.file} has no tensor with features of an image.")
        return (spatial or names)[-1]

    def raw_name(self, cut: str) -> str:
        """The name that a cut has in the file; the cut may be any tensor with a row for each image.

        Raises:
            InvalidCutError: There is no such tensor.
        """
        if cut == CLASS_TOKEN:
            cut = self._with_class_token
        raw = cut if cut in self._tensors.values() else self._tensors.get(cut)
        if raw is None or not self._row_shapes.get(raw):
            last = ", ".join(list(self.cuts)[-4:])
            raise InvalidCutError(
                f"{self.file.name} has no output {cut!r} with a row for each image.{did_you_mean(cut, self._tensors)} Last ones: {last} "
                f"(bottleneck bases {self.file.name} lists them)."
            )
        return raw

    def row_shape(self, cut: str) -> tuple[int, ...]:
        """The shape of an image's row: a grid (h, w, C), tokens (T, C), or (C,)."""
        return self._layout(cut)[1]

    def special_tokens(self, cut: str) -> int:
        """Tokens of classes and registers, which come before those of patches and are left out of the grid."""
        return self._layout(cut)[2]

    def has_channels_first(self, cut: str) -> bool:
        """Whether the tensor of a grid is (N, C, h, w)."""
        return self._layout(cut)[0]

    def trunk_info(self, cut: str) -> TrunkInfo:
        """Digest and size of what leads to a cut; the digest is over operations, settings, names and weights."""
        onnx, _ = onnx_packages()
        raw = self.raw_name(cut)
        nodes, tensors = self.trunk(cut)
        name = CLASS_TOKEN if cut == CLASS_TOKEN else _as_cut(raw)
        digest = hashlib.sha256(f"{_dims(self.pixels)} {raw} {name}\n".encode())
        for entry in self.model.opset_import:
            digest.update(f"{entry.domain} {entry.version}\n".encode())
        for node in nodes:
            digest.update(node.SerializeToString(deterministic=True))
        for tensor in tensors:
            array = np.ascontiguousarray(onnx.numpy_helper.to_array(tensor))
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise WeightsMismatchError(f"{self.file} has weights that are NaN or infinite, in {tensor.name!r}.")
            digest.update(f"{tensor.name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
        constants = [field.t for node in nodes if node.op_type == "Constant" for field in node.attribute]
        parameters = sum(math.prod(tensor.dims) for tensor in [*tensors, *constants] if tensor.dims)
        return TrunkInfo(digest.hexdigest(), parameters, name, depth=0)  # it is not divided into trunk and tail

    def trunk(self, cut: str) -> tuple[list[Any], list[Any]]:
        """The operations that lead to a cut, in order, and the weights that they use."""
        needed = {self.raw_name(cut)}
        nodes = []
        for node in reversed(self.model.graph.node):
            if needed.intersection(node.output):
                needed.update(node.input)
                nodes.append(node)
        return nodes[::-1], [tensor for tensor in self.model.graph.initializer if tensor.name in needed]

    @property
    def _with_class_token(self) -> str:
        """The default cut, if one of its tokens is that of the class."""
        if not self.special_tokens(self.default_cut):
            raise UnknownBaseError(f"{self.file} has no token of the class before those of patches. Use --pool avg.")
        return self.default_cut

    @cached_property
    def _tensors(self) -> dict[str, str]:
        """Outputs of operations by their names as cuts."""
        return {_as_cut(raw): raw for node in self.model.graph.node for raw in node.output if raw}

    @cached_property
    def _dividing(self) -> frozenset[str]:
        """Tensors that depend on the image and that no other such tensor bypasses; shapes do not count."""
        last_use = {raw: place for place, node in enumerate(self.model.graph.node) for raw in node.input}
        reach, found = last_use.get(self.pixels.name, -1), []
        for place, node in enumerate(self.model.graph.node):
            if not self._dependent.intersection(node.output):
                continue
            if len(node.output) == 1 and reach <= place:
                found.append(node.output[0])
            reach = max([reach, *(last_use.get(raw, -1) for raw in node.output)])
        return frozenset(found)

    def _layout(self, cut: str) -> tuple[bool, tuple[int, ...], int]:
        """Whether channels come first, the row's shape, and its special tokens."""
        shape = self._row_shapes[self.raw_name(cut)]
        if cut == CLASS_TOKEN:
            return False, shape[-1:], 0
        if len(shape) == 3:
            first = _channels_first(shape, likely=self.is_nchw)
            return first, (shape[1], shape[2], shape[0]) if first else shape, 0
        if len(shape) == 2:
            side = math.isqrt(shape[0])
            special = shape[0] - side * side
            if side > 1 and special <= _MAX_SPECIAL:
                return False, (side, side, shape[1]), special
        return False, shape, 0

    @property
    def _row_shapes(self) -> Mapping[str, tuple[int, ...]]:
        return self._probed[1]

    @cached_property
    def _probed(self) -> tuple[int | None, dict[str, tuple[int, ...]]]:
        """How many images a call takes, and the shapes of the rows of floating-point tensors, found by running the network."""
        given = _dims(self.pixels)[0]
        if given:
            return given, self._run(given)
        try:
            return None, self._run(2)
        except UnknownBaseError:  # a reshape for one image, for example
            return 1, self._run(1)

    def _run(self, num_images: int) -> dict[str, tuple[int, ...]]:
        onnx, onnxruntime = onnx_packages()
        probe = onnx.ModelProto()
        probe.CopyFrom(self.model)
        del probe.graph.output[:]
        names = [name for name in self._tensors.values() if name in self._dependent]
        probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        side = (self.size_px, self.size_px)
        shape = (num_images, 3, *side) if self.is_nchw else (num_images, *side, 3)
        dtype = onnx.helper.tensor_dtype_to_np_dtype(self.pixels.type.tensor_type.elem_type)
        with foreign_file(
            self.file, f"cannot be run on {num_images} images of {self.size_px} px", error_type=UnknownBaseError
        ):
            session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
            values: Sequence[NDArray[Any]] = session.run(names, {self.pixels.name: np.zeros(shape, dtype)})
        return {
            name: value.shape[1:]
            for name, value in zip(names, values, strict=True)
            if value.dtype.kind == "f" and 2 <= value.ndim <= 4 and value.shape[0] == num_images
        }

    @cached_property
    def _dependent(self) -> frozenset[str]:
        """Tensors that depend on what is in the image."""
        depends = {self.pixels.name}
        for node in self.model.graph.node:
            if node.op_type != "Shape" and depends.intersection(node.input):
                depends.update(node.output)
        return frozenset(depends - {self.pixels.name, ""})


def _channels_first(shape: tuple[int, ...], *, likely: bool) -> bool:
    """Whether (a, b, c) is (C, h, w): images are square, so the two that are equal are height and width."""
    first, second, third = shape
    if (first == second) == (second == third):
        return likely
    return second == third


def _as_cut(raw: str) -> str:
    return _NOT_IN_CUTS.sub("_", raw).lstrip("._-")[-96:]


def _dims(value: Any) -> tuple[int | None, ...]:
    """Numbers of a shape; None where any size will do, which some programs write as -1."""
    return tuple(dim.dim_value if dim.dim_value > 0 else None for dim in value.type.tensor_type.shape.dim)
