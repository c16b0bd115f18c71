"""From settings to a recipe, where the weights are known and no network is built."""

import sys
from dataclasses import replace

import pytest

from pipeline.bases.digests import DigestMemory, TrunkInfo
from pipeline.bases.find import find_base
from pipeline.errors import UnknownBaseError, WeightsUnavailableError
from pipeline.settings import Settings
from pipeline.stage_one.recipes import make_recipe
from tests.calls import read as scan

SPEC = find_base("squeezenet")
TRUNK = TrunkInfo("ab" * 32, 123)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """A home with weights that were read before; building a network is an error."""
    home = tmp_path / "home"
    monkeypatch.setenv("BOTTLENECK_HOME", str(home))
    monkeypatch.setitem(sys.modules, "pipeline.bases.weights", None)
    file = home / "weights" / "squeezenet-random.weights.h5"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"weights")
    for cut in (SPEC.last_layer, "fire5_concat"):
        DigestMemory(home).remember(file, "squeezenet", cut, replace(TRUNK, parameters=len(cut)))
    return Settings.of(base="squeezenet", weights="random", cache=tmp_path / "cache")


def test_recipe_has_the_bases_own_values_where_none_are_given(photos, settings):
    """Native size, native preprocessing and the last layer."""
    recipe, trunk = make_recipe(scan(photos), settings)

    assert (recipe.base, recipe.decoder.size_px, recipe.cut) == ("squeezenet", SPEC.native_px, SPEC.last_layer)
    assert recipe.preprocessing == SPEC.native_preprocessing
    assert (recipe.trunk_digest, recipe.pooling) == (trunk.digest, "none") == (TRUNK.digest, "none")


def test_each_setting_of_features_is_in_the_recipe(photos, settings):
    """Two settings that could give other values never share a store."""
    manifest = scan(photos)
    changes = (
        {"size": 64},
        {"resize": "nearest"},
        {"exif": False},
        {"cut": "fire5_concat"},
        {"preprocess": "rescale"},
        {"preprocess": "standardize"},
        {"dtype": "float16"},
        {"precision": "mixed_float16"},
    )
    recipes = [make_recipe(manifest, settings.with_changes(**change))[0] for change in ({}, *changes)]

    assert len({recipe.fingerprint for recipe in recipes}) == len(recipes)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"base": "resnet5"}, UnknownBaseError),
        ({"size": 3}, UnknownBaseError),
        ({"weights": "nowhere.h5"}, WeightsUnavailableError),
    ],
    ids=str,
)
def test_mistakes_are_found_without_a_network(changes, error, photos, settings):
    """Before anything is computed."""
    with pytest.raises(error):
        make_recipe(scan(photos), settings.with_changes(**changes))
