"""What has to be known of a trunk."""

from pathlib import Path

import pytest

from pipeline.bases.cut import divide
from pipeline.bases.digests import DigestMemory, tensor_digest
from pipeline.bases.find import find_base
from pipeline.bases.network import build_base
from pipeline.bases.table import BASES
from pipeline.bases.trunks import learn_trunk
from pipeline.bases.weights import fetch_weights, load_base
from pipeline.errors import InvalidCutError
from tests.bases.onnx_nets import save_conv_net

SQUEEZENET = BASES["squeezenet"]


@pytest.mark.parametrize("cut", ["fire9_concat", "fire5_concat"])
def test_a_learnt_trunk_is_the_one_that_is_run(cut: str, home: Path, tmp_path: Path):
    """Its digest and size are those of the trunk built at any input size and precision, and are remembered."""
    file = fetch_weights(SQUEEZENET, "random", home)

    learnt = learn_trunk(SQUEEZENET, file, cut, tmp_path)

    trunk, _ = divide(load_base(SQUEEZENET, 64, file, precision="mixed_bfloat16"), cut)
    assert learnt.digest == tensor_digest(trunk.layers)
    assert learnt.parameters == trunk.count_params()
    assert learnt.depth == len(trunk.layers)
    assert DigestMemory(tmp_path).recall(file, "squeezenet", cut) == learnt


def test_an_invalid_cut_is_not_remembered(home: Path, tmp_path: Path):
    """The error comes before anything is written."""
    file = fetch_weights(SQUEEZENET, "random", home)

    with pytest.raises(InvalidCutError, match="fire4_expand1x1"):
        learn_trunk(SQUEEZENET, file, "fire4_expand1x1", tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_a_change_behind_the_cut_does_not_change_the_trunk(tmp_path: Path):
    """The trunk's digest is of the layers up to the cut only."""
    base = build_base(SQUEEZENET, 32)
    whole = tensor_digest(base.layers)
    base.save_weights(tmp_path / "before.weights.h5")
    before = learn_trunk(SQUEEZENET, tmp_path / "before.weights.h5", "fire5_concat", tmp_path)
    kernel, bias = base.get_layer("fire6_squeeze1x1").get_weights()
    base.get_layer("fire6_squeeze1x1").set_weights([kernel + 1, bias])
    base.save_weights(tmp_path / "after.weights.h5")

    after = learn_trunk(SQUEEZENET, tmp_path / "after.weights.h5", "fire5_concat", tmp_path)

    assert after == before
    assert tensor_digest(base.layers) != whole


def test_that_of_an_onnx_file_is_its_own(tmp_path: Path):
    """It is remembered under the name that the cut has in folders."""
    file = save_conv_net(tmp_path / "net.onnx")

    learnt = learn_trunk(find_base(str(file)), file, "/first/Relu_output_0", tmp_path)

    assert learnt.layer == "first_Relu_output_0"
    assert DigestMemory(tmp_path).recall(file, "net.onnx", "/first/Relu_output_0") == learnt
