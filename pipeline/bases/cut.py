"""Dividing a network's graph into trunk and tail."""

import difflib
from collections.abc import Sequence

import keras

from pipeline.errors import InvalidCutError


def valid_cuts(base: keras.Model) -> list[str]:
    """Names of the layers whose output every path from input to output passes, in graph order.

    `layers` of a functional model is in topological order; a layer divides the graph exactly when
    no connection jumps over its place in that order.
    """
    order = {layer.name: place for place, layer in enumerate(base.layers)}
    reach = 0  # the farthest place that any layer so far feeds directly
    cuts = []
    for place, layer in enumerate(base.layers):
        if reach <= place and not isinstance(layer, keras.layers.InputLayer):
            cuts.append(layer.name)
        reach = max([reach, *(order[name] for name in _consumers(layer) if name in order)])
    return cuts


def _consumers(layer: keras.Layer) -> list[str]:
    return [node.operation.name for node in layer._outbound_nodes]  # noqa: SLF001  Keras has no public way to ask


def check_cut(base: keras.Model, cut: str) -> None:
    """Check that a layer divides the graph.

    Raises:
        InvalidCutError: It does not exist, or a connection passes it by; the message names the nearest that do.
    """
    cuts = valid_cuts(base)
    if cut in cuts:
        return
    names = [layer.name for layer in base.layers]
    if cut not in names:
        near = difflib.get_close_matches(cut, cuts, n=4, cutoff=0.3) or cuts[-4:]
        raise InvalidCutError(
            f"{base.name} has no layer {cut!r} to cut at. Near in name: {', '.join(near)}; last: {cuts[-1]}."
        )
    near = _nearest(names, cuts, cut)
    raise InvalidCutError(
        f"{cut!r} does not divide {base.name}: another path passes it by. Nearest layers that do: {', '.join(near)}."
    )


def _nearest(names: Sequence[str], cuts: Sequence[str], cut: str) -> list[str]:
    """The last valid cut before a layer and the first one after it."""
    place = names.index(cut)
    before = [name for name in names[:place] if name in cuts]
    after = [name for name in names[place:] if name in cuts]
    return before[-1:] + after[:1]


def cut_before(base: keras.Model, layer: str) -> str:
    """The last valid cut before a layer: what is trained from this layer on starts behind it.

    Raises:
        InvalidCutError: There is no such layer, or no cut before it.
    """
    names = [item.name for item in base.layers]
    if layer not in names:
        near = difflib.get_close_matches(layer, names, n=4, cutoff=0.3) or names[-4:]
        raise InvalidCutError(f"{base.name} has no layer {layer!r} to train from. Near in name: {', '.join(near)}.")
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
