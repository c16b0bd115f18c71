"""An ONNX base between pixels and rows."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from pipeline.bases.onnx_graph import on_pixels
from pipeline.bases.onnx_model import OnnxBase
from pipeline.bases.table import Preprocessing
from tests.bases.onnx_nets import run, save_conv_net, save_transformer

CAFFE = Preprocessing("native", "BGR", offset=(-103.939, -116.779, -123.68))


@pytest.fixture
def pixels():
    """Three images."""
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


@pytest.mark.parametrize("opset", [12, 17, 18])
@pytest.mark.parametrize("pooling", ["none", "avg", "max"])
def test_rows_are_those_of_the_network_on_preprocessed_pixels(opset: int, pooling: str, pixels, tmp_path: Path):
    """Channels last, and pooled over the grid, whatever set of operations the file uses."""
    file = save_conv_net(tmp_path / "net.onnx", opset=opset)
    model = on_pixels(OnnxBase.open(file, 32), "Add_output_0", CAFFE, pooling)

    [received] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"pixels": pixels})

    grid = run(file, "/Add_output_0", CAFFE(pixels).transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    expected = {"none": grid, "avg": grid.mean(axis=(1, 2)), "max": grid.max(axis=(1, 2))}[pooling]
    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-3)


def test_tokens_become_the_grid_of_their_patches(pixels, tmp_path: Path):
    """In the order of rows and columns, without the one of the class."""
    file = save_transformer(tmp_path / "vit.onnx")
    base = OnnxBase.open(file)
    plain = Preprocessing("none")
    model = on_pixels(base, "norm_out", plain, "none")

    [received] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"pixels": pixels})

    tokens = run(file, "/norm/out", plain(pixels).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(received, tokens[:, 1:].reshape(3, 4, 4, 12), rtol=1e-4, atol=1e-3)


def test_the_token_of_the_class_is_the_first(pixels, tmp_path: Path):
    """As (N, C)."""
    file = save_transformer(tmp_path / "vit.onnx")
    plain = Preprocessing("none")
    model = on_pixels(OnnxBase.open(file), "class_token", plain, "none")

    [received] = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"pixels": pixels})

    tokens = run(file, "/norm/out", plain(pixels).transpose(0, 3, 1, 2))
    np.testing.assert_allclose(received, tokens[:, 0], rtol=1e-4, atol=1e-3)
