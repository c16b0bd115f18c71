"""Winograd convolutions: 3 x 3 convolutions with fewer products, written into an OpenVINO network as ordinary operations.

m x m outputs of a 3 x 3 convolution take 9 m² products for each pair of channels. After a linear transformation of the pixels and of the
weights (m + 2)² are enough, for m = 4 a quarter: each of the (m + 2)² places is one matrix product of all tiles with the weights there.
Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016 (arXiv:1509.09308). OpenVINO's own convolutions
compute all 9 m².
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops

_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0)
"""Where the polynomials are evaluated, beside infinity: small numbers, because rounding errors grow with their powers."""

_TILES = (2, 3, 4)
"""Outputs of a tile along one side: larger ones take even fewer products, but lose digits."""

_WORTH_IT = 0.5
"""Most products that a convolution may still need, in parts of its direct way: beyond that, moving tiles takes what was saved."""


@dataclass(frozen=True)
class _Side:
    """One side of an image, cut into tiles that overlap by two pixels."""

    length: int
    pad: int
    outputs: int
    tile: int

    @property
    def num_tiles(self) -> int:
        return -(-self.outputs // self.tile)

    @property
    def num_places(self) -> int:
        """Of all its tiles."""
        return self.num_tiles * (self.tile + 2)

    def matrix(self) -> NDArray[np.float32]:
        """From pixels to the places of all tiles, (places, pixels); padding is pixels that are left out."""
        from_pixels, _, _ = transformations(self.tile)
        width = self.tile + 2
        padded = np.zeros((width, self.num_tiles, self.num_tiles * self.tile + 2))
        for tile in range(self.num_tiles):
            padded[:, tile, tile * self.tile : tile * self.tile + width] = from_pixels
        matrix = padded[:, :, self.pad : self.pad + self.length]
        return matrix.reshape(self.num_places, self.length).astype(np.float32)


@lru_cache
def transformations(tile: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The matrices of pixels (tile + 2, tile + 2), of weights (tile + 2, 3) and of outputs (tile, tile + 2).

    Outputs and weights are evaluated at the points (Toom and Cook); the matrix of pixels is then the one for which
    output i is the sum of weight j times pixel i + j.
    """
    width = tile + 2
    points = np.array(_POINTS[: width - 1])
    infinity = np.eye(1, width)[:, ::-1]
    to_outputs = np.vstack([np.vander(points, tile, increasing=True), infinity[:, -tile:]]).T
    scale = [np.prod([point - other for other in points if other != point]) for point in points]
    from_weights = np.vstack([np.vander(points, 3, increasing=True) / np.array(scale)[:, None], infinity[:, -3:]])
    products = np.einsum("ip,pj->ijp", to_outputs, from_weights).reshape(tile * 3, width)
    wanted = np.array([np.eye(width)[i + j] for i in range(tile) for j in range(3)])
    from_pixels = np.linalg.lstsq(products, wanted, rcond=None)[0]
    return from_pixels, from_weights, to_outputs


def with_winograd(network: openvino.Model) -> int:
    """Replace the 3 x 3 convolutions of a network of fixed shapes, wherever half of the products or fewer are enough.

    Returns:
        How many were replaced.
    """
    replaced = 0
    for node in network.get_ordered_ops():
        if not _is_plain(node):
            continue
        sides = _best_sides(node)
        if sides is not None:
            node.output(0).replace(_winograd(node, *sides).output(0))
            replaced += 1
    network.validate_nodes_and_infer_types()
    return replaced


def _is_plain(node: openvino.Node) -> bool:
    """Whether a node is a 3 x 3 convolution with constant weights that moves one pixel at a time."""
    if node.get_type_name() != "Convolution" or node.input_value(1).get_node().get_type_name() != "Constant":
        return False
    if node.input_value(0).get_partial_shape().is_dynamic or list(node.input_value(1).get_shape())[2:] != [3, 3]:
        return False
    settings = node.get_attributes()
    return bool(settings["strides"] == [1, 1] and settings["dilations"] == [1, 1])


def _best_sides(node: openvino.Node) -> tuple[_Side, _Side] | None:
    """Height and width in the tiles that take the fewest products; None where the direct way is better."""
    _, channels, *lengths = node.input_value(0).get_shape()
    _, filters, *outputs = node.output(0).get_shape()
    pads = _pads(node)
    candidates = [_tiled(tile, lengths, pads, outputs) for tile in _TILES]
    products = [_products(rows, columns, channels, filters) for rows, columns in candidates]
    direct = 9 * outputs[0] * outputs[1] * channels * filters
    return candidates[products.index(min(products))] if min(products) <= _WORTH_IT * direct else None


def _tiled(tile: int, lengths: list[int], pads: list[int], outputs: list[int]) -> tuple[_Side, _Side]:
    rows, columns = (_Side(*side, tile) for side in zip(lengths, pads, outputs, strict=True))
    return rows, columns


def _pads(node: openvino.Node) -> list[int]:
    """Zeros above the image and left of it."""
    settings = node.get_attributes()
    if settings["auto_pad"] in ("same_upper", "same_lower"):
        return [1, 1]
    return [0, 0] if settings["auto_pad"] == "valid" else list(settings["pads_begin"])


def _products(rows: _Side, columns: _Side, channels: int, filters: int) -> int:
    """Of an image: transformations of its pixels, products with the weights, and the transformation of its outputs."""
    places = rows.num_places * columns.num_places
    of_pixels = channels * columns.length * (rows.length * rows.num_places + places)
    of_outputs = filters * places * rows.tile**2
    return of_pixels + places * channels * filters + of_outputs


def _winograd(node: openvino.Node, rows: _Side, columns: _Side) -> openvino.Node:
    """The same as a convolution (N, C, H, W) to (N, K, H', W'), with the channels last on the way."""
    images, channels, *_ = node.input_value(0).get_shape()
    filters = node.output(0).get_shape()[1]
    tile, width = rows.tile, rows.tile + 2
    _, from_weights, to_outputs = transformations(tile)
    tiles = [images, rows.num_tiles, columns.num_tiles]

    pixels = ops.transpose(node.input_value(0), _shape(0, 2, 3, 1))
    places = ops.matmul(_floats(rows.matrix()[None]), _reshaped(pixels, images, rows.length, -1), False, False)
    places = _reshaped(places, images, rows.num_places, columns.length, channels)
    places = ops.matmul(_floats(columns.matrix()[None, None]), places, False, False)
    places = _reshaped(places, images, width, tiles[1], width, tiles[2], channels)
    places = ops.transpose(places, _shape(1, 3, 0, 2, 4, 5))
    places = _reshaped(places, width * width, int(np.prod(tiles)), channels)

    weights = node.input_value(1).get_node().get_data().reshape(filters * channels, 9).astype(np.float64)
    weights = (weights @ np.kron(from_weights, from_weights).T).reshape(filters, channels, width * width)
    products = ops.matmul(places, _floats(np.ascontiguousarray(weights.transpose(2, 1, 0))), False, False)

    to_both = _floats(np.kron(to_outputs, to_outputs)[None])
    outputs = ops.matmul(to_both, _reshaped(products, 1, width * width, -1), False, False)
    outputs = _reshaped(outputs, tile, tile, *tiles, filters)
    outputs = ops.transpose(outputs, _shape(2, 3, 0, 4, 1, 5))
    outputs = _reshaped(outputs, images, tile * tiles[1], tile * tiles[2], filters)
    outputs = ops.slice(outputs, _shape(0, 0), _shape(rows.outputs, columns.outputs), _shape(1, 1), _shape(1, 2))
    return ops.transpose(outputs, _shape(0, 3, 1, 2))


def _floats(values: NDArray[np.floating]) -> openvino.Node:
    return ops.constant(values.astype(np.float32))


def _shape(*values: int) -> openvino.Node:
    return ops.constant(np.array(values, np.int64))


def _reshaped(node: openvino.Node, *shape: int) -> openvino.Node:
    return ops.reshape(node, _shape(*shape), special_zero=False)
