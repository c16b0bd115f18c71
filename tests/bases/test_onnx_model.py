"""ONNX files as bases."""

from pathlib import Path

import onnx
import pytest

from pipeline.bases.find import find_base
from pipeline.bases.onnx_model import OnnxBase
from pipeline.bases.weights import load_base
from pipeline.errors import InvalidCutError, SettingError, UnknownBaseError
from tests.bases.onnx_nets import save_conv_net, save_transformer


def test_the_default_cut_is_the_last_grid(tmp_path: Path):
    """Not what is pooled after it; names become such as folders may have."""
    spec = find_base(str(save_conv_net(tmp_path / "net.onnx")))

    assert (spec.name, spec.native_px, spec.last_layer, spec.channels) == ("net.onnx", 224, "Add_output_0", 8)
    assert spec.parameters == 8 * 3 * 9 + 64
    assert spec.is_file
    with pytest.raises(SettingError, match=r"Say with --preprocess .* torch"):
        _ = spec.native_preprocessing


def test_cuts_are_tensors_that_nothing_bypasses(tmp_path: Path):
    """The second convolution has a connection around it."""
    base = OnnxBase.open(save_conv_net(tmp_path / "net.onnx"), 32)

    assert list(base.cuts) == ["first_Conv_output_0", "first_Relu_output_0", "Add_output_0", "pool", "flat", "logits"]
    assert base.row_shape("Add_output_0") == (16, 16, 8)
    assert base.row_shape("/second/Conv_output_0") == (16, 16, 8)  # any tensor may be named
    assert base.row_shape("flat") == (8,)


def test_tokens_of_patches_are_a_grid(tmp_path: Path):
    """Without that of the class, which is a cut of its own here."""
    base = OnnxBase.open(save_transformer(tmp_path / "vit.onnx"))

    assert (base.size_px, base.default_cut, base.row_shape("norm_out")) == (32, "norm_out", (4, 4, 12))
    assert base.special_tokens("norm_out") == 1
    assert base.row_shape("embedding") == (12,)


@pytest.mark.parametrize(("pixels", "expected"), [(None, None), ([2, 3, 32, 32], 2), ([1, 3, 32, 32], 1)])
def test_a_file_may_take_a_fixed_number_of_images(pixels: list | None, expected: int | None, tmp_path: Path):
    """It says so, or it takes any."""
    assert OnnxBase.open(save_conv_net(tmp_path / "net.onnx", pixels=pixels)).batch_size == expected


@pytest.mark.parametrize("change", ["activation", "opset", "weights"])
def test_the_digest_covers_graph_and_weights(change: str, tmp_path: Path):
    """An activation, the set of operations or a weight; what comes after the cut does not count."""
    file = save_conv_net(tmp_path / "one.onnx")
    before = {cut: OnnxBase.open(file).trunk_info(cut).digest for cut in ("first_Conv_output_0", "first_Relu_output_0")}
    other = {"activation": {"activation": "Sigmoid"}, "opset": {"opset": 16}, "weights": {}}[change]
    save_conv_net(file, **other)
    if change == "weights":
        model = onnx.load(file)
        model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
        onnx.save(model, file)

    after = {cut: OnnxBase.open(file).trunk_info(cut).digest for cut in before}

    assert after["first_Relu_output_0"] != before["first_Relu_output_0"]
    assert (after["first_Conv_output_0"] == before["first_Conv_output_0"]) == (change == "activation")


def test_another_size_than_that_of_the_file_is_refused(tmp_path: Path):
    """Where the file fixes it."""
    file = save_conv_net(tmp_path / "net.onnx", pixels=["N", 3, 32, 32])

    with pytest.raises(UnknownBaseError, match=r"net.onnx takes images of 32 px only. Received: --size 64"):
        OnnxBase.open(file, 64)


@pytest.mark.parametrize("pixels", [["N", 1, 32, 32], ["N", 3, 32, 64]], ids=["grey", "oblong"])
def test_other_inputs_than_square_rgb_images_are_refused(pixels: list, tmp_path: Path):
    """The message says what is taken."""
    file = tmp_path / "net.onnx"
    model = onnx.load(save_conv_net(file))
    for dim, value in zip(model.graph.input[0].type.tensor_type.shape.dim, pixels, strict=True):
        dim.dim_param = ""
        if isinstance(value, int):
            dim.dim_value = value
    onnx.save(model, file)

    with pytest.raises(UnknownBaseError, match=r"A base takes (RGB|square) images"):
        find_base(str(file))


def test_weights_outside_the_file_are_refused(tmp_path: Path):
    """With the line that puts them inside."""
    file = save_conv_net(tmp_path / "net.onnx")
    onnx.save(onnx.load(file), file, save_as_external_data=True, size_threshold=0)

    with pytest.raises(UnknownBaseError, match=r"takes weights from other files.* onnx.save\(onnx.load\(PATH\)"):
        find_base(str(file))


def test_what_is_no_onnx_file_is_refused(tmp_path: Path):
    """In the words of a base."""
    (tmp_path / "net.onnx").write_bytes(b"PK no")

    with pytest.raises(UnknownBaseError, match=r"net.onnx cannot be loaded as a base"):
        find_base(str(tmp_path / "net.onnx"))


def test_an_unknown_cut_names_known_ones(tmp_path: Path):
    """Among all outputs."""
    base = OnnxBase.open(save_conv_net(tmp_path / "net.onnx"))

    with pytest.raises(InvalidCutError, match=r"no output 'logit' .*Did you mean 'logits'\? Last ones: "):
        base.row_shape("logit")


def test_keras_cannot_build_it(tmp_path: Path):
    """The message says what it serves and what it does not."""
    file = save_conv_net(tmp_path / "net.onnx")

    with pytest.raises(UnknownBaseError, match=r"net.onnx is an ONNX file, .*finetune, endtoend"):
        load_base(find_base(str(file)), 32, file)


def test_the_token_of_the_class_is_a_cut(tmp_path: Path):
    """Where there is one before those of patches; its digest is another one than that of the grid."""
    base = OnnxBase.open(save_transformer(tmp_path / "vit.onnx"))

    assert base.row_shape("class_token") == (12,)
    assert base.trunk_info("class_token").layer == "class_token"
    assert base.trunk_info("class_token").digest != base.trunk_info("norm_out").digest
    with pytest.raises(UnknownBaseError, match=r"has no token of the class before those of patches. Use --pool avg"):
        OnnxBase.open(save_conv_net(tmp_path / "net.onnx")).row_shape("class_token")
