"""A manifest file says which rows it was written with: on another machine the same command takes them."""

import json

import pytest

import pipeline
from pipeline.errors import DataLayoutError, MissingRowsError, SettingError
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.reuse.record import known_shape, recorded
from pipeline.stage_one.reuse.stored import with_stored_features
from tests.calls import read
from tests.conftest import RANDOM


@pytest.fixture
def written(places, photos, tmp_path):
    """The manifest file of the photos, with their rows of 48 px."""
    pipeline.extract(photos, **RANDOM, **places, manifest=tmp_path / "photos.jsonl", progress=False)
    return tmp_path / "photos.jsonl"


@pytest.fixture
def features(written, tmp_path):
    """The feature settings that the file leads to on a machine with an empty cache."""
    return lambda **given: (
        with_stored_features(read(written), pipeline.Settings.of(cache=tmp_path / "empty", **given)).features
    )


def change(path, **values):
    """The file with other values in what it says of its rows."""
    first, *rest = path.read_text().splitlines()
    head = json.loads(first)
    head["rows"] |= values
    path.write_text("\n".join([json.dumps(head), *rest]))


def test_settings_that_were_not_given_are_those_of_the_file(features, caplog):
    """With a line that says so; an empty cache knows nothing."""
    found = features()

    assert (found.base, found.size, found.weights) == ("squeezenet", 48, "random")
    assert (
        "Using the features that photos.jsonl was written with: --base squeezenet --size 48 --weights random."
        in caplog.text
    )


def test_what_is_given_is_kept(features):
    """A file that contradicts it does not count, as a store does not; one that agrees completes it."""
    assert features(base="squeezenet").size == 48
    assert features(base="squeezenet").weights == "random"
    assert features(size=64).base == "vgg16"
    assert features(base="vgg16").size is None


def test_heads_are_equal_without_any_setting(written, places, photos, tmp_path):
    """Bit for bit, read through from the shared cache into an empty one."""
    pipeline.push_cache(tmp_path / "team", cache=places["cache"], progress=False)
    own = pipeline.fit(photos, **RANDOM, **places, name="own", plots=False)
    there = {"cache": tmp_path / "cache", "runs": tmp_path / "runs"}
    run = pipeline.fit(written, **there, shared=tmp_path / "team", plots=False, progress=False)

    assert run.info.stage_one["new"] == 0
    for name in ("head.npz", "predictions.csv"):
        assert (own.folder.path / name).read_bytes() == (run.folder.path / name).read_bytes()


@pytest.mark.slow
def test_recipe_is_the_one_that_was_recorded(written, places, photos, tmp_path):
    """Where the statistics of the images decide the preprocessing, too: there are no images to take them from."""
    cut = {**RANDOM, "cut": "fire3", "preprocess": "standardize", "dtype": "float16", "resize": "box"}
    done = pipeline.extract(photos / "test", **cut, cache=tmp_path / "own", manifest=written, progress=False)
    manifest = read(written)
    settings = with_stored_features(manifest, pipeline.Settings.of(cache=tmp_path / "empty"))

    assert make_recipe(manifest, settings)[0].fingerprint == done.store.recipe.fingerprint
    assert known_shape(manifest, done.store.recipe) == done.store.row_shape


def test_pooled_rows_are_named(places, photos, tmp_path):
    """A head with another pooling needs other rows, and the file says which it has."""
    pipeline.extract(photos / "test", pool="max", **RANDOM, cache=tmp_path / "own", manifest=tmp_path / "m.jsonl")

    with pytest.raises(MissingRowsError, match="It was written with pooled rows: give --pool max"):
        pipeline.extract(tmp_path / "m.jsonl", cache=tmp_path / "empty")


def test_weights_of_a_file_have_to_be_given(written, home, photos, tmp_path):
    """No path of another machine is in a manifest file."""
    own = str(home / "weights" / "squeezenet-random.weights.h5")
    pipeline.extract(photos / "test", base="squeezenet", size=48, weights=own, cache=tmp_path / "own", manifest=written)

    assert str(home) not in written.read_text()
    with pytest.raises(
        SettingError, match=r"photos\.jsonl was written with rows of squeezenet with weights of your own"
    ):
        pipeline.extract(written, cache=tmp_path / "empty")
    assert pipeline.extract(written, weights=own, cache=tmp_path / "own").num_new == 0
    with pytest.raises(MissingRowsError, match="It was written with rows of squeezenet-48px"):
        pipeline.extract(written, base="squeezenet", size=64, weights="random", cache=tmp_path / "empty")


def test_files_of_earlier_versions_have_no_record(written):
    """They are read as before."""
    first, *rest = written.read_text().splitlines()
    head = json.loads(first)
    del head["rows"]
    written.write_text("\n".join([json.dumps(head), *rest]))

    assert recorded(read(written)) is None


@pytest.mark.parametrize(
    "values",
    [
        {"recipe": {}},
        {"recipe": 3},
        {"shape": "large"},
        {"shape": [3, 3, -512]},
        {"shape": [True]},
        {"trunk": {"weights": "../../secret"}},
        {"trunk": {"weights": None, "weights_sha256": "ab" * 32, "parameters": "many"}},
        {"trunk": [1]},
    ],
)
def test_forged_records_are_refused(values, written, tmp_path):
    """What comes from elsewhere is checked before it is used; nothing is made of it."""
    change(written, **values)

    with pytest.raises(DataLayoutError, match=r"photos\.jsonl is damaged, or of a later version.*Write it again"):
        pipeline.extract(written, cache=tmp_path / "empty")
    assert not (tmp_path / "empty").exists()


def test_a_model_of_another_machine_has_to_be_given(written, tmp_path):
    """A name that no base has."""
    recipe = recorded(read(written)).recipe.as_dict()
    change(written, recipe=recipe | {"base": "ours"})

    with pytest.raises(
        SettingError, match=r"written with rows of ours, which is not a base of the table\. Give the model"
    ):
        pipeline.extract(written, cache=tmp_path / "empty")
