"""What has to be known of a trunk: its digest and its size. They are computed once for each weights file and cut.

TensorFlow is imported only where they are not known yet.
"""

import logging
from pathlib import Path

from pipeline.bases.digests import DigestMemory, TrunkInfo, growing_digests
from pipeline.bases.files import home_folder, weights_file, weights_path
from pipeline.bases.table import BaseSpec

logger = logging.getLogger(__name__)


def trunk_of(spec: BaseSpec, weights: str, cut: str, *, with_depth: bool = False) -> TrunkInfo:
    """The facts known about a trunk; the network is built only for a weights file that was never read before.

    Args:
        spec: The base.
        weights: `imagenet`, `random`, or a file.
        cut: The trunk's last layer, or a block.
        with_depth: The depth is needed too, which versions before 0.3 did not remember.

    Raises:
        InvalidCutError: The layer does not divide the base.
        WeightsUnavailableError: No route led to the weights.
    """
    home = home_folder()
    # The weights of parts may have changed, which is noticed when their files are looked at.
    file = weights_file(spec, weights, home) if spec.parts else weights_path(spec, weights, home)
    known = DigestMemory(home).recall(file, spec.name, cut) if file.exists() or spec.is_file else None
    if known is None or (with_depth and known.depth is None):
        logger.info("%s, cut at %s: reading the weights for the first time.", spec.name, cut)
        return learn_trunk(spec, weights_file(spec, weights, home), cut, home)
    return known


def learn_trunk(spec: BaseSpec, file: Path, cut: str, home: Path) -> TrunkInfo:
    """Compute digest, size and number of the layers up to the cut, which may be the name of a block, and remember them.

    Raises:
        InvalidCutError: The layer does not divide the graph.
        WeightsMismatchError: The file does not fit the network, or has a weight that is NaN or infinite.
    """
    learn = _trunk_of_onnx if spec.is_onnx else _trunk_of_keras
    trunk = learn(spec, file, cut)
    DigestMemory(home).remember(file, spec.name, cut, trunk)
    return trunk


def _trunk_of_onnx(spec: BaseSpec, file: Path, cut: str) -> TrunkInfo:  # noqa: ARG001 as for Keras
    from pipeline.bases.onnx_model import OnnxBase

    return OnnxBase.open(file).trunk_info(cut)


def _trunk_of_keras(spec: BaseSpec, file: Path, cut: str) -> TrunkInfo:
    from pipeline.bases.cut import last_layer, trunk_layers
    from pipeline.bases.weights import load_base

    base = load_base(spec, spec.native_px, file, cut=cut)
    last = last_layer(base, cut)
    layers = trunk_layers(base, last)
    *_, digest = growing_digests(layers, with_graph=spec.is_file)
    num_parameters = sum(layer.count_params() for layer in layers)
    return TrunkInfo(digest, num_parameters, None if last == cut else last, len(layers))
