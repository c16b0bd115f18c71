"""An ONNX file as the base, through everything that it serves."""

import numpy as np
import pytest

import pipeline
from pipeline.bases.table import choose_preprocessing
from pipeline.errors import SettingError, UnknownBaseError
from tests.bases.onnx_nets import run as run_file
from tests.bases.onnx_nets import save_conv_net, save_transformer
from tests.exports.answers import check_p_values


@pytest.fixture(scope="module")
def own(photos, tmp_path_factory):
    """A run on features of an ONNX file, and its keywords."""
    folder = tmp_path_factory.mktemp("own")
    keywords = {
        "base": str(save_conv_net(folder / "net.onnx")),
        "size": 32,
        "preprocess": "torch",
        "cache": folder / "cache",
        "runs": folder / "runs",
    }
    return pipeline.fit(photos, "ridge", name="own", **keywords), keywords


def test_rows_are_those_of_the_file(own, photos):
    """On pixels that are prepared as asked, channels last."""
    run, keywords = own
    rows = pipeline.extract(photos, **keywords)
    recipe = rows.store.recipe

    pixels = np.stack([recipe.decoder.decode(rows.manifest.read(row)) for row in range(4)])
    prepared = choose_preprocessing(pipeline.Settings.of(**keywords).features.spec, "torch")(pixels)
    expected = run_file(keywords["base"], "/Add_output_0", prepared.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(rows.store.read(rows.keys()[:4]), expected.transpose(0, 2, 3, 1), atol=1e-4)
    assert (rows.num_new, run.info.recipe["cut"]) == (0, "Add_output_0")


def test_it_has_a_page(own):
    """With its rows on the map and its name in the table."""
    run, keywords = own
    page = pipeline.report(run.name, runs=keywords["runs"], cache=keywords["cache"]).path.read_text()

    assert "net.onnx" in page


@pytest.mark.parametrize("head", ["ridge", "knn", "dense:4,relu"])
def test_it_exports_as_one_onnx_file(head, own, photos, tmp_path):
    """Base and head in one graph, which predicts what the run does, p-values too; other formats are refused."""
    _, keywords = own
    run = pipeline.fit(photos, head, name=head.partition(":")[0], replace=True, **keywords)
    images = sorted(photos.rglob("*.png"))[:3]

    done = pipeline.export(run, tmp_path / "own.onnx", p_value=True)
    received = pipeline.load_exported(tmp_path / "own.onnx").predict(images)

    check_p_values(done, run, received, pipeline.predict(run, images))
    assert done.parity.largest_difference < 1e-4
    assert [one.label for one in received] == [one.label for one in pipeline.predict(run, images)]
    with pytest.raises(SettingError, match=r"exported as name\.onnx"):
        pipeline.export(run, tmp_path / "own.keras")


def test_openvino_runs_it_too(own, photos, tmp_path):
    """With the same rows, after comparing them with ONNX Runtime."""
    pytest.importorskip("openvino")
    _, keywords = own
    plain = pipeline.extract(photos, **keywords)
    fast = pipeline.extract(photos, **keywords | {"cache": tmp_path}, engine="openvino")

    assert (plain.store.recipe.fingerprint, fast.engine) == (fast.store.recipe.fingerprint, "openvino")
    np.testing.assert_allclose(fast.store.read(fast.keys()), plain.store.read(plain.keys()), atol=1e-4)


@pytest.mark.parametrize("engine", ["auto", "openvino"])
def test_a_file_that_takes_one_image_at_a_time_is_given_one(engine, photos, tmp_path):
    """Its rows are grids of patches; it cannot be exported, and the message says why."""
    base = str(save_transformer(tmp_path / "vit.onnx", batch=1))
    keywords = {"base": base, "preprocess": "rescale", "cache": tmp_path / "cache", "runs": tmp_path / "runs"}
    run = pipeline.fit(photos, "ridge", engine=engine, **keywords)

    rows = pipeline.extract(photos, **keywords)
    assert rows.store.row_shape == (4, 4, 12)
    with pytest.raises(SettingError, match=r"takes 1 images? at a time"):
        pipeline.export(run, tmp_path / "own.onnx")


def test_training_of_the_base_is_refused(own, photos):
    """The message says what an ONNX file serves."""
    _, keywords = own

    with pytest.raises(UnknownBaseError, match=r"net\.onnx is an ONNX file"):
        pipeline.finetune(photos, "dense:4", from_layer="Add_output_0", **keywords)
    with pytest.raises(SettingError, match=r"ONNX Runtime or OpenVINO\. Received: --engine tensorflow"):
        pipeline.extract(photos, **keywords | {"size": 40}, engine="tensorflow")


def test_the_token_of_the_class_is_a_pooling(photos, tmp_path):
    """`pool="cls"` in stage one and for heads, through prediction and export."""
    base = str(save_transformer(tmp_path / "vit.onnx"))
    keywords = {"base": base, "preprocess": "rescale", "cache": tmp_path / "cache", "runs": tmp_path / "runs"}
    rows = pipeline.extract(photos, pool="cls", **keywords)
    run = pipeline.fit(photos, "ridge", pool="cls", **keywords)
    images = sorted(photos.rglob("*.png"))[:3]

    done = pipeline.export(run, tmp_path / "own.onnx", p_value=True)

    assert (rows.store.row_shape, run.info.pool, run.info.recipe["cut"]) == ((12,), "none", "class_token")
    received = pipeline.load_exported(tmp_path / "own.onnx").predict(images)
    assert [one.label for one in received] == [one.label for one in pipeline.predict(run, images)]
    check_p_values(done, run, received, pipeline.predict(run, images))
    with pytest.raises(SettingError, match="--cut has an effect only without --pool cls"):
        pipeline.fit(photos, "ridge", pool="cls", cut="patches", **keywords)
