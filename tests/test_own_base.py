"""A Keras model of the user's own as the base, through everything that a base goes through."""

import numpy as np
import pytest

import pipeline
from pipeline.errors import SettingError
from tests.bases.models import save_classifier, save_nested


@pytest.fixture(scope="module")
def own(photos, tmp_path_factory):
    """A run on features of a model file, and its keywords."""
    folder = tmp_path_factory.mktemp("own")
    keywords = {
        "base": str(save_classifier(folder / "flowers v2.keras")),
        "cache": folder / "cache",
        "runs": folder / "runs",
    }
    return pipeline.fit(photos, "ridge", name="own", **keywords), keywords


def test_rows_are_those_of_the_model(own, photos):
    """Its own scaling included."""
    run, keywords = own
    manifest = pipeline.scan(photos)
    rows = pipeline.extract(photos, **keywords)

    import keras

    whole = keras.saving.load_model(keywords["base"], compile=False)
    grid = keras.Model(whole.inputs[0], whole.get_layer("second").output)
    decoder = rows.store.recipe.decoder
    pixels = np.stack([decoder.decode(manifest.read(row)) for row in range(4)]).astype(np.float32)
    np.testing.assert_allclose(rows.store.read(rows.keys()[:4]), grid(pixels), atol=1e-5)
    assert rows.num_new == 0
    assert run.info.recipe["base"] == "flowers_v2.keras"


def test_it_predicts_and_exports_as_any_other(own, photos, tmp_path):
    """A run knows where its base was; the exported file needs nothing."""
    run, keywords = own
    images = sorted(photos.rglob("*.png"))[:3]
    expected = pipeline.predict(pipeline.load_run("own", runs=keywords["runs"], cache=keywords["cache"]), images)

    pipeline.export(run, tmp_path / "own.keras")
    received = pipeline.load_exported(tmp_path / "own.keras").predict(images)

    assert [one.label for one in received] == [one.label for one in expected]


def test_a_run_without_its_file_says_so(photos, tmp_path):
    """It is found where it was, or not at all."""
    base = save_classifier(tmp_path / "flowers.keras")
    run = pipeline.fit(photos, "ridge", base=str(base), cache=tmp_path / "cache", runs=tmp_path / "runs")
    base.unlink()

    with pytest.raises(
        pipeline.errors.WeightsUnavailableError,
        match=r"'flowers.keras' is a model of your own. Received: '.*flowers.keras'",
    ):
        pipeline.predict(run, min(photos.rglob("*.png")))


def test_fine_tuning_from_a_layer_of_a_model_in_the_model(photos, tmp_path):
    """The trunk stays as it is, and so does what is stored of it."""
    keywords = {
        "base": str(save_nested(tmp_path / "nested.keras")),
        "cache": tmp_path / "cache",
        "runs": tmp_path / "runs",
    }
    with pytest.raises(SettingError, match="does not say how its pixels are prepared"):
        pipeline.finetune(photos, "dense:4", from_layer="add", **keywords)

    run = pipeline.finetune(
        photos,
        "dense:4",
        from_layer="conv_again",
        pool="avg",
        cached=True,
        head_epochs=1,
        epochs=1,
        preprocess="rescale",
        **keywords,
    )

    assert run.info.moved_layers == ["conv_again"]
    assert run.info.trunk_digest_before == run.info.trunk_digest_after
    assert run.info.recipe["cut"] == "active"
