"""What has to be known of a trunk: its digest and its size. They are computed once for each weights file and cut."""

from pathlib import Path

from pipeline.bases.digests import DigestMemory, TrunkInfo, growing_digests
from pipeline.bases.table import BaseSpec


def learn_trunk(spec: BaseSpec, weights_file: Path, cut: str, home: Path) -> TrunkInfo:
    """Compute digest, size and number of the layers up to the cut, which may be the name of a block, and remember them.

    Raises:
        InvalidCutError: The layer does not divide the graph.
        WeightsMismatchError: The file does not fit the network, or has a weight that is NaN or infinite.
    """
    learn = _trunk_of_onnx if spec.is_onnx else _trunk_of_keras
    trunk = learn(spec, weights_file, cut)
    DigestMemory(home).remember(weights_file, spec.name, cut, trunk)
    return trunk


def _trunk_of_onnx(spec: BaseSpec, weights_file: Path, cut: str) -> TrunkInfo:  # noqa: ARG001 as for Keras
    from pipeline.bases.onnx_model import OnnxBase

    return OnnxBase.open(weights_file).trunk_info(cut)


def _trunk_of_keras(spec: BaseSpec, weights_file: Path, cut: str) -> TrunkInfo:
    from pipeline.bases.cut import last_layer, trunk_layers
    from pipeline.bases.weights import load_base

    base = load_base(spec, spec.native_px, weights_file, cut=cut)
    last = last_layer(base, cut)
    layers = trunk_layers(base, last)
    *_, digest = growing_digests(layers, with_graph=spec.is_file)
    num_parameters = sum(layer.count_params() for layer in layers)
    return TrunkInfo(digest, num_parameters, None if last == cut else last, len(layers))
