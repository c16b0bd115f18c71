"""What has to be known of a trunk."""

import sys
from pathlib import Path

import pytest

from pipeline.bases.cut import divide
from pipeline.bases.digests import DigestMemory, TrunkInfo, tensor_digest
from pipeline.bases.files import weights_file
from pipeline.bases.find import find_base
from pipeline.bases.network import build_base
from pipeline.bases.table import BASES
from pipeline.bases.trunks import learn_trunk, trunk_of
from pipeline.bases.weights import load_base
from pipeline.errors import InvalidCutError
from tests.bases.onnx_nets import save_conv_net

SQUEEZENET = BASES["squeezenet"]


@pytest.mark.parametrize("cut", ["fire9_concat", "fire5_concat"])
def test_a_learnt_trunk_is_the_one_that_is_run(cut: str, home: Path, tmp_path: Path):
    """Its digest and size are those of the trunk built at any input size and precision, and are remembered."""
    file = weights_file(SQUEEZENET, "random", home)

    learnt = learn_trunk(SQUEEZENET, file, cut, tmp_path)

    trunk, _ = divide(load_base(SQUEEZENET, 64, file, precision="mixed_bfloat16"), cut)
    assert learnt.digest == tensor_digest(trunk.layers)
    assert learnt.parameters == trunk.count_params()
    assert learnt.depth == len(trunk.layers)
    assert DigestMemory(tmp_path).recall(file, "squeezenet", cut) == learnt


def test_an_invalid_cut_is_not_remembered(home: Path, tmp_path: Path):
    """The error comes before anything is written."""
    file = weights_file(SQUEEZENET, "random", home)

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


@pytest.fixture
def remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights that were read before; building a network is an error."""
    monkeypatch.setenv("BOTTLENECK_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pipeline.bases.weights", None)
    file = tmp_path / "weights" / "squeezenet-random.weights.h5"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    for cut in (SQUEEZENET.last_layer, "fire5_concat"):
        DigestMemory(tmp_path).remember(file, "squeezenet", cut, TrunkInfo("ab" * 32, len(cut)))
    return file


def test_that_of_each_cut_is_known_by_itself(remembered: Path):
    """The digest of a part of the network is another one."""
    assert trunk_of(SQUEEZENET, "random", "fire5_concat").parameters == len("fire5_concat")
    assert trunk_of(SQUEEZENET, str(remembered), SQUEEZENET.last_layer).parameters == len(SQUEEZENET.last_layer)


def test_weights_that_have_changed_are_read_again(remembered: Path):
    """What is remembered belongs to the bytes of the file, not to its name."""
    remembered.write_bytes(b"other weights")

    with pytest.raises(ImportError):
        trunk_of(SQUEEZENET, "random", "fire5_concat")


@pytest.mark.usefixtures("remembered")
def test_depth_that_is_not_remembered_is_learnt():
    """Versions before 0.3 did not write it down; who does not need it does not read the weights for it."""
    assert trunk_of(SQUEEZENET, "random", "fire5_concat").depth is None
    with pytest.raises(ImportError):
        trunk_of(SQUEEZENET, "random", "fire5_concat", with_depth=True)
