"""The map of a run's features."""

import numpy as np
import pytest

from pipeline.bases.find import find_base
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.images.decoding.decoder import Decoder
from pipeline.reports import maps as module
from pipeline.reports.maps import draw_map, pairs_of
from pipeline.settings import Settings
from tests.reports.samples import make_predictions, make_run

TABLE = make_predictions(
    ("test", 0, 0, 0.9), ("test", 1, 1, 0.6), ("validation", 0, 1, 0.7), ("train", 1, 1, 0.99), ("train", 0, 0, 0.51)
)
RECIPE = Recipe("vgg16", Decoder(150), find_base("vgg16").native_preprocessing, "d" * 64, "block5_pool", pooling="avg")


@pytest.fixture
def settings(tmp_path):
    """A cache with a row of each image; those of rows 0 and 4 have nearly the same features."""
    X = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    X[4] = X[0] * 2
    store = Store(tmp_path / "cache", RECIPE)
    with store.adding():
        store.prepare()
        store.append(row_keys(TABLE.digests), X, {})
    return Settings.of(cache=tmp_path / "cache", runs=tmp_path / "runs")


@pytest.fixture
def run(settings):
    return make_run(settings.paths.runs, "mine", recipe=RECIPE.as_dict())


def test_map_has_a_point_per_image(run, settings):
    """With the share of the variance, a title, and the near duplicates of different splits."""
    drawn = draw_map(run, TABLE, settings, near=0.98, with_umap=False)

    assert len(drawn["pca"]["x"]) == len(drawn["pca"]["y"]) == 5
    assert drawn["features"] == "vgg16, block5_pool at 150 px, avg pooled"
    assert drawn["rows"] is None
    assert drawn["umap"] is None
    assert [sorted(pair[:2]) for pair in drawn["near"]["pairs"]] == [[0, 4]]
    assert pairs_of(drawn)[-1] == drawn["near"]["pairs"][0][:2]


def test_large_maps_are_a_random_part(run, settings, monkeypatch):
    """The rows are listed, and pairs are numbered by the rows of the table."""
    monkeypatch.setattr(module, "_MAX_IMAGES", 4)
    drawn = draw_map(run, TABLE, settings, near=-1.0, with_umap=False)

    assert len(drawn["rows"]) == len(drawn["pca"]["x"]) == 4
    assert {row for pair in drawn["near"]["pairs"] for row in pair[:2]} <= set(drawn["rows"])


def test_missing_features_are_explained(run, settings, tmp_path):
    """The map says why there is none; nothing is computed, and exact duplicates are found without features."""
    more = make_predictions(*[("test", 0, 0, 0.5)] * 6)
    empty = settings.with_changes(cache=tmp_path / "empty")
    elsewhere = make_run(settings.paths.runs, "forged", recipe={**RECIPE.as_dict(), "base": "../cache/vgg16"})
    unknown = make_predictions(("test", 0, 0, 0.5))
    object.__setattr__(unknown, "digests", (b"",))

    assert draw_map(run, more, settings, near=0.98, with_umap=False)["note"].startswith(
        "1 of 6 features are no longer in"
    )
    assert "name their folder with --cache" in draw_map(run, TABLE, empty, near=0.98, with_umap=False)["note"]
    assert "The features are not in" in draw_map(elsewhere, TABLE, settings, near=0.98, with_umap=False)["note"]
    assert "has not recorded the digests" in draw_map(run, unknown, settings, near=0.98, with_umap=False)["note"]
    assert not (tmp_path / "empty").exists()


def test_pairs_are_exact_and_near_duplicates():
    """In this order, after images under two labels; a map without features has no near ones."""
    drawn = {"conflicts": [[6, 7]], "exact": [[1, 2, 3]], "near": {"pairs": [[4, 5, 0.99]]}}

    assert pairs_of(drawn) == [[6, 7], [1, 2, 3], [4, 5]]
    assert pairs_of({"conflicts": [], "exact": [[1, 2]], "note": "no features"}) == [[1, 2]]
