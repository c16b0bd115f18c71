"""Dividing a network's graph into trunk and tail."""

import difflib
import re
from collections.abc import Sequence

import keras

from pipeline.errors import InvalidCutError

_BLOCK = re.compile(r"[0-9][a-z]?$")
"""End of a block's name: `block5`, and `block2a` of EfficientNet."""


def blocks_of(base: keras.Model) -> dict[str, list[str]]:
    """Names of the blocks with the names of their layers, both in graph order.

    A block is the layers whose names start alike: `block5_conv1` and `block5_pool` are in `block5`, `conv5_block1_1_conv` is in
    `conv5`, and in `conv5_block1`.
    """
    blocks: dict[str, list[str]] = {}
    names = {layer.name for layer in base.layers}
    for layer in base.layers:
        parts = layer.name.split("_")
        for length in range(1, len(parts)):
            block = "_".join(parts[:length])
            if _BLOCK.search(block) and block not in names:
                blocks.setdefault(block, []).append(layer.name)
    return {block: layers for block, layers in blocks.items() if len(layers) > 1}


def first_layer(base: keras.Model, name: str) -> str:
    """The first layer of a block; any other name is returned as it is."""
    return blocks_of(base).get(name, [name])[0]


def last_layer(base: keras.Model, name: str) -> str:
    """The last layer of a block at which the base can be cut; any other name is returned as it is.

    Raises:
        InvalidCutError: The base cannot be cut at any layer of the block.
    """
    layers = blocks_of(base).get(name)
    if layers is None:
        return name
    cuts = valid_cuts(base)
    inside = [layer for layer in layers if layer in cuts]
    if not inside:
        near = _nearest([layer.name for layer in base.layers], cuts, layers[-1])
        raise InvalidCutError(
            f"{base.name} cannot be cut in the block {name!r}: connections skip each of its layers. "
            f"Nearest layers that divide it: {', '.join(near)}."
        )
    return inside[-1]


def _similar(base: keras.Model, received: str, names: Sequence[str]) -> str:
    """Names like the one that is unknown, and all blocks."""
    blocks = [name for name in blocks_of(base) if name.rpartition("_")[0] not in blocks_of(base)]
    near = difflib.get_close_matches(received, [*blocks, *names], n=4, cutoff=0.3) or list(names[-4:])
    return f"Similar names: {', '.join(near)}" + (f"; blocks: {', '.join(blocks)}" if blocks else "")


def valid_cuts(base: keras.Model) -> list[str]:
    """Names of the layers that every path from input to output passes through, in graph order.

    `layers` of a functional model is in topological order; a layer divides the graph exactly when
    no connection skips its position in that order.
    """
    order = {layer.name: position for position, layer in enumerate(base.layers)}
    reach = 0  # the last position that any layer so far feeds directly
    cuts = []
    for position, layer in enumerate(base.layers):
        if reach <= position and not isinstance(layer, keras.layers.InputLayer):
            cuts.append(layer.name)
        reach = max([reach, *(order[name] for name in _consumers(layer) if name in order)])
    return cuts


def _consumers(layer: keras.Layer) -> list[str]:
    return [node.operation.name for node in layer._outbound_nodes]  # noqa: SLF001  Keras has no public way


def check_cut(base: keras.Model, cut: str) -> None:
    """Check that a layer divides the graph.

    Raises:
        InvalidCutError: It does not exist, or a connection skips it; the message names the nearest layers that divide.
    """
    cuts = valid_cuts(base)
    if cut in cuts:
        return
    names = [layer.name for layer in base.layers]
    if cut not in names:
        raise InvalidCutError(
            f"{base.name} has no layer {cut!r} to cut at. {_similar(base, cut, cuts)}; last: {cuts[-1]}."
        )
    near = _nearest(names, cuts, cut)
    raise InvalidCutError(
        f"{cut!r} does not divide {base.name}: a connection skips it. Nearest layers that do: {', '.join(near)}."
    )


def _nearest(names: Sequence[str], cuts: Sequence[str], cut: str) -> list[str]:
    """The last valid cut before a layer and the first one after it."""
    position = names.index(cut)
    before = [name for name in names[:position] if name in cuts]
    after = [name for name in names[position:] if name in cuts]
    return before[-1:] + after[:1]


def cut_before(base: keras.Model, layer: str) -> str:
    """The last valid cut before a layer, so that training from this layer on trains everything after the cut.

    The name of a block stands for its first layer.

    Raises:
        InvalidCutError: There is no such layer, or no valid cut before it.
    """
    names = [item.name for item in base.layers]
    layer = first_layer(base, layer)
    if layer not in names:
        raise InvalidCutError(f"{base.name} has no layer {layer!r} to train from. {_similar(base, layer, names)}.")
    cuts = valid_cuts(base)
    before = [name for name in names[: names.index(layer)] if name in cuts]
    if not before:
        raise InvalidCutError(f"No layer before {layer!r} divides {base.name}; the first that does is {cuts[0]}.")
    return str(before[-1])


def trunk_layers(base: keras.Model, cut: str) -> list[keras.Layer]:
    """The layers up to and including the cut, in graph order."""
    check_cut(base, cut)
    names = [layer.name for layer in base.layers]
    return list(base.layers[: names.index(cut) + 1])


def divide(base: keras.Model, cut: str) -> tuple[keras.Model, keras.Model | None]:
    """The trunk (input to cut) and the tail (cut to output; None if the cut is the last layer).

    Both share their layers, and so their weights, with the base.

    Raises:
        InvalidCutError: The layer does not divide the graph.
    """
    check_cut(base, cut)
    boundary = base.get_layer(cut).output
    trunk = keras.Model(base.input, boundary, name=f"{base.name}_trunk")
    is_last = cut == base.layers[-1].name
    tail = None if is_last else keras.Model(boundary, base.output, name=f"{base.name}_tail")
    return trunk, tail
