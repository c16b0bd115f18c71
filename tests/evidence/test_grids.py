"""Grids behind rows that have none."""

from dataclasses import replace

import numpy as np
import pytest

import pipeline
from pipeline.bases.names import CLASS_TOKEN
from pipeline.cache.recipe import Recipe
from pipeline.cache.store import Store, row_keys
from pipeline.errors import SettingError
from pipeline.evidence.finer import offer_finer
from pipeline.evidence.grids import check_has_grid, read_grids
from tests.conftest import RANDOM


def test_vectors_and_class_tokens_have_no_map(tmp_path, runs):
    """Whatever is no grid says so, and what to do."""
    recipe = Recipe.from_dict(runs["avg"].info.recipe)
    store = Store(tmp_path, replace(recipe, cut="flatten"))
    store.append(row_keys([bytes(32)]), np.ones((1, 7), np.float32), {})

    with pytest.raises(SettingError, match="have no grid"):
        read_grids([store], row_keys([bytes(32)]))
    with pytest.raises(SettingError, match="--pool avg"):
        check_has_grid(replace(recipe, cut=CLASS_TOKEN))


def test_finer_rows_are_offered(tmp_path, runs):
    """A store of an earlier cut has finer maps; a coarser or another one is not named."""
    recipe = Recipe.from_dict(runs["avg"].info.recipe)
    finer = Store(tmp_path, replace(recipe, cut="pool5"))
    finer.append(row_keys([bytes(32)]), np.ones((1, 4, 5, 7), np.float32), {})
    other = Store(tmp_path, replace(recipe, cut="pool3", base="vgg16"))
    other.append(row_keys([bytes(32)]), np.ones((1, 9, 9, 7), np.float32), {})

    assert offer_finer(tmp_path, recipe, (4, 5)) is None
    assert offer_finer(tmp_path, recipe, (2, 2)) == (
        "These maps have 2 x 2 cells. Rows of pool5 are stored, too: a head on them (--cut pool5) has maps of 4 x 5."
    )


@pytest.mark.slow
def test_joined_bases_have_one_map(photos, tmp_path):
    """Each base by its own grid, and both together are the log odds."""
    own = {"cache": tmp_path / "cache", "runs": tmp_path / "runs"}
    joined = {**RANDOM, "base": "squeezenet+mobilenetv2"}
    images = sorted((photos / "test").rglob("*.png"))[:3]
    run = pipeline.fit(photos, "ridge", name="both", plots=False, **joined, **own)
    found = pipeline.explain(run, images)
    predicted = run.predict(images)

    for one, prediction in zip(found, predicted, strict=True):
        (_, p), (_, q) = prediction.top
        assert one.map.mean() + one.rest == pytest.approx(one.total, abs=1e-5)
        assert one.total == pytest.approx(np.log(p / q), abs=1e-2)
