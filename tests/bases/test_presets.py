"""Presets of KerasHub as bases: small networks with random weights, saved and loaded."""

import sys

import numpy as np
import pytest

import pipeline
from pipeline.bases.find import find_base
from pipeline.bases.model_file import load_model_file
from pipeline.bases.table import choose_preprocessing
from pipeline.errors import InvalidCutError, MissingExtraError, SettingError, UnknownBaseError
from tests.conftest import draw_tree
from tests.exports.answers import check_p_values

keras_hub = pytest.importorskip("keras_hub")

PIXELS = np.random.default_rng(0).random((2, 28, 28, 3), np.float32)


def save_vit(folder):
    """One token of the class before those of four patches."""
    model = keras_hub.models.ViTBackbone(
        image_shape=(28, 28, 3), patch_size=14, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8
    )
    model.save_to_preset(folder)
    keras_hub.layers.ViTImageConverter(image_size=(28, 28), scale=1 / 127.5, offset=-1.0).save_to_preset(folder)
    return model, 1


def save_dinov2(folder):
    """One token of the class and four registers before those of four patches."""
    model = keras_hub.models.DINOV2Backbone(
        image_shape=(28, 28, 3),
        patch_size=14,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=8,
        num_register_tokens=4,
    )
    model.save_to_preset(folder)
    scale, offset = [1 / 58.395, 1 / 57.12, 1 / 57.375], [-2.1, -2.0, -1.8]
    keras_hub.layers.DINOV2ImageConverter(image_size=(28, 28), scale=scale, offset=offset).save_to_preset(folder)
    return model, 5


def save_clip(folder):
    """The tower for images of a model for images and texts."""
    models = keras_hub.models
    vision = models.CLIPVisionEncoder(
        patch_size=14, hidden_dim=8, num_layers=1, num_heads=2, intermediate_dim=8, image_shape=(28, 28, 3)
    )
    text = models.CLIPTextEncoder(
        vocabulary_size=10,
        embedding_dim=8,
        hidden_dim=8,
        num_layers=1,
        num_heads=2,
        intermediate_dim=8,
        max_sequence_length=4,
    )
    models.CLIPBackbone(vision, text, 8).save_to_preset(folder)
    return vision, 1


@pytest.mark.parametrize("save", [save_vit, save_dinov2, save_clip])
def test_tokens_of_patches_are_a_grid(save, tmp_path):
    """Without those of class and registers, which come first; row by row, as the patches lie in the image."""
    model, num_special = save(tmp_path)

    base = load_model_file(tmp_path)
    grid = base(PIXELS)

    assert base.output_shape == (None, 2, 2, 8)
    tokens = np.asarray(model({"images": PIXELS} if isinstance(model.input, dict) else PIXELS))
    np.testing.assert_allclose(np.reshape(grid, (2, 4, 8)), tokens[:, num_special:], atol=1e-5)


@pytest.mark.parametrize("save", [save_vit, save_dinov2], ids=["vit", "dinov2"])
def test_the_token_of_the_class_is_a_cut(save, tmp_path):
    """Through a run: its rows are the first tokens, and it predicts and exports."""
    model, _ = save(tmp_path / "preset")
    photos = draw_tree(tmp_path / "photos", {"train": 4, "validation": 2})
    places = {"cache": tmp_path / "cache", "runs": tmp_path / "runs"}

    run = pipeline.fit(photos, "ridge", pool="cls", base=str(tmp_path / "preset"), **places)
    rows = pipeline.extract(photos, pool="cls", base=str(tmp_path / "preset"), **places)

    assert (
        run.settings.features.preprocess
        == pipeline.load_run(run.name, **places).settings.features.preprocess
        == "native"
    )
    recipe = rows.store.recipe
    pixels = recipe.preprocessing(np.stack([recipe.decoder.decode(rows.manifest.read(row)) for row in range(4)]))
    np.testing.assert_allclose(
        rows.store.read(rows.keys()[:4]),
        model({"images": pixels} if isinstance(model.input, dict) else pixels)[:, 0],
        atol=1e-5,
    )
    images = sorted(photos.rglob("*.png"))[:2]
    assert [one.path for one in pipeline.predict(run, images)] == [str(image) for image in images]
    assert "preset.hub" in pipeline.report(run.name, **places).path.read_text()
    with pytest.raises(SettingError, match=r"exported as name\.tflite or as a folder"):
        pipeline.export(run, tmp_path / "run.keras")
    done = pipeline.export(run, tmp_path / "run.tflite", p_value=True)
    assert done.parity.largest_difference < 1e-4
    check_p_values(done, run, pipeline.load_exported(done.path).predict(images), pipeline.predict(run, images))


def test_a_network_without_a_token_of_the_class_says_so(tmp_path):
    """Convolutional networks have none."""
    photos = draw_tree(tmp_path / "photos", {"train": 2})

    with pytest.raises(InvalidCutError, match="squeezenet has no layer 'class_token' to cut at"):
        pipeline.extract(photos, pool="cls", base="squeezenet", weights="random", cache=tmp_path / "cache")


def test_a_network_with_grids_ends_in_its_last_one(tmp_path):
    """As files do."""
    model = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=(28, 28, 3),
    )
    model.save_to_preset(tmp_path)

    np.testing.assert_allclose(load_model_file(tmp_path)(PIXELS), model(PIXELS), atol=1e-5)
    assert load_model_file(tmp_path, 40).output_shape == (None, 10, 10, 64)


def test_the_presets_own_scale_is_its_preprocessing(tmp_path):
    """One number for all channels, or one for each; a preset without it does not say."""
    save_vit(tmp_path / "vit")
    save_dinov2(tmp_path / "dino")

    one, three = (choose_preprocessing(find_base(str(tmp_path / name)), "native") for name in ("vit", "dino"))

    np.testing.assert_allclose(one(np.float32([[0, 127.5, 255]])), [[-1, 0, 1]], atol=1e-6)
    assert three.scale == (1 / 58.395, 1 / 57.12, 1 / 57.375)
    assert three.offset == (-2.1, -2.0, -1.8)


def test_what_cannot_be_loaded_is_named(tmp_path):
    """With what is expected."""
    (tmp_path / "config.json").write_text("{}")

    with pytest.raises(UnknownBaseError, match=r"The preset .* cannot be loaded: .* Expected the name of a preset"):
        find_base(str(tmp_path))


def test_without_keras_hub_the_extra_is_named(tmp_path, monkeypatch):
    """Not an ImportError."""
    monkeypatch.setitem(sys.modules, "keras_hub", None)

    with pytest.raises(MissingExtraError, match=r"pip install 'bottleneck-pipeline\[hub\]'"):
        find_base("hub:vit_base_patch16_224_imagenet")
