"""Two bases joined, through everything that a base goes through."""

import numpy as np
import pytest

import pipeline
from pipeline.cache.store import row_keys
from pipeline.errors import SettingError, UnknownBaseError
from tests.exports.answers import check_p_values

JOINED = "squeezenet+mobilenetv2"


@pytest.fixture(scope="module")
def joined(photos, tmp_path_factory):
    """A run on features of both, and its keywords."""
    folder = tmp_path_factory.mktemp("joined")
    keywords = {
        "size": 32,
        "weights": "random",
        "engine": "tensorflow",
        "cache": folder / "cache",
        "runs": folder / "runs",
    }
    return pipeline.fit(photos, "ridge", base=JOINED, **keywords), keywords


def test_rows_are_those_of_the_parts_side_by_side(joined, photos):
    """Average-pooled, from stores of the parts that serve as any others."""
    run, keywords = joined
    both = pipeline.extract(photos, base=JOINED, **keywords)
    parts = [pipeline.extract(photos, base=name, **keywords) for name in JOINED.split("+")]

    expected = [part.store.read(part.keys(), pooling="avg") for part in parts]
    np.testing.assert_array_equal(both.store.read(both.keys()), np.concatenate(expected, axis=1))
    assert [one.num_new for one in (both, *parts)] == [0, 0, 0]
    assert [part.store.row_shape for part in parts] == [(1, 1, 512), (1, 1, 1280)]
    assert (run.info.recipe["base"], run.info.recipe["cut"]) == (JOINED, "joined")


@pytest.mark.parametrize("name", ["joined.keras", "joined.onnx"])
def test_it_predicts_and_exports_as_one_model(name, joined, photos, tmp_path):
    """Pixels go through both, with the preprocessing of each."""
    run, _ = joined
    images = sorted(photos.rglob("*.png"))[:3]

    done = pipeline.export(run, tmp_path / name, p_value=True)
    received = pipeline.load_exported(tmp_path / name).predict(images)

    check_p_values(done, run, received, pipeline.predict(run, images))
    assert done.parity.largest_difference < 1e-3
    assert [one.label for one in received] == [one.label for one in pipeline.predict(run, images)]


def test_views_are_joined_too(joined, photos):
    """Each part has the same views."""
    _, keywords = joined
    both = pipeline.extract_views(photos, base=JOINED, views=1, augment="flip", **keywords)
    parts = [
        pipeline.extract_views(photos, base=name, views=1, augment="flip", **keywords) for name in JOINED.split("+")
    ]

    expected = [part.store.read(row_keys(part.manifest.digests, 1), pooling="avg") for part in parts]
    np.testing.assert_array_equal(both.store.read(row_keys(both.manifest.digests, 1)), np.concatenate(expected, axis=1))


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("squeezenet+squeezenet", r"Bases that are joined are different ones"),
        ("squeezenet+vgg17", r"Unknown base 'vgg17'"),
        ("squeezenet+my.hub", r"my.hub"),
    ],
)
def test_only_different_bases_of_the_table_are_joined(base, message, photos):
    """The message says what was received."""
    with pytest.raises((UnknownBaseError, pipeline.errors.WeightsUnavailableError), match=message):
        pipeline.extract(photos, base=base, size=32)


def test_what_parts_do_not_share_is_refused(joined, photos, tmp_path):
    """One preprocessing for all, one file of weights, a layer to train from."""
    _, keywords = joined
    with pytest.raises(SettingError, match="Joined bases have a preprocessing each"):
        pipeline.extract(photos, base=JOINED, preprocess="rescale", **keywords)
    with pytest.raises(SettingError, match="Joined bases have imagenet"):
        pipeline.extract(photos, base=JOINED, **keywords | {"weights": str(tmp_path / "w.h5")})
    with pytest.raises(pipeline.errors.InvalidCutError, match="joined has no layer 'fire9'"):
        pipeline.finetune(photos, "dense:4", from_layer="fire9", base=JOINED, **keywords)


def test_weights_of_a_part_that_change_are_noticed(joined, photos, home, tmp_path, monkeypatch):
    """Rows of other weights would be others."""
    import shutil

    _, keywords = joined
    monkeypatch.setenv("BOTTLENECK_HOME", str(tmp_path / "home"))
    shutil.copytree(home / "weights", tmp_path / "home" / "weights")
    file = tmp_path / "home" / "weights" / "squeezenet-random.weights.h5"
    before = pipeline.extract(photos, base=JOINED, **keywords | {"cache": tmp_path / "cache"})
    import h5py

    def change(_, entry):
        if isinstance(entry, h5py.Dataset) and entry.ndim == 4:
            entry[...] = entry[...] + 1

    with h5py.File(file, "r+") as opened:
        opened.visititems(change)

    after = pipeline.extract(photos, base=JOINED, **keywords | {"cache": tmp_path / "cache"})

    assert after.store.recipe.fingerprint != before.store.recipe.fingerprint
    assert after.num_new == len(after.keys())
