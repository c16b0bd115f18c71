"""Rows that someone has already computed are fetched, and new ones are offered."""

import logging
import shutil

import numpy as np
import pytest

import pipeline
from pipeline.cache.shared import pull
from pipeline.cache.shared.layout import recipe_path
from pipeline.cache.store import Store
from pipeline.errors import DamagedStoreError, SettingError, UnreachableDataError, UnwritableStoreError
from pipeline.stage_one.reuse import shared as module
from tests.cache.samples import damage
from tests.conftest import RANDOM

QUIET = {**RANDOM, "progress": False}


@pytest.fixture(scope="module")
def team(places, tmp_path_factory):
    """The shared cache of a team, with all rows of the photos. Read only."""
    folder = tmp_path_factory.mktemp("team") / "rows"
    pipeline.push_cache(folder, cache=places["cache"], progress=False)
    return folder


def store_in(folder):
    """The only store of a cache."""
    (store,) = (Store.open(path.parent) for path in folder.glob("*/recipe.json"))
    return store


def test_rows_are_fetched_instead_of_computed(team, warm, photos, tmp_path):
    """All of them, bit for bit; the second time nothing is asked for."""
    done = pipeline.extract(photos, **QUIET, cache=tmp_path / "cache", shared=team)
    again = pipeline.extract(photos, **QUIET, cache=tmp_path / "cache", shared=tmp_path / "nothing")

    assert (done.num_new, done.num_fetched) == (0, 48)
    assert done.as_dict() | {"new": 0, "fetched": 48, "reused": 0} == done.as_dict()
    assert (again.num_new, again.num_fetched) == (0, 0)
    keys = done.keys()
    np.testing.assert_array_equal(done.store.read(keys), store_in(warm["cache"]).read(keys))


def test_a_machine_without_images_needs_no_pull(team, warm, photos, tmp_path):
    """A manifest file, and rows that are read through."""
    pipeline.extract(photos, **RANDOM, **warm, manifest=tmp_path / "photos.jsonl")
    own = pipeline.fit(photos, "ridge", **RANDOM, **warm, plots=False)
    folders = {"cache": tmp_path / "cache", "runs": tmp_path / "runs"}
    there = pipeline.fit(tmp_path / "photos.jsonl", "ridge", **QUIET, **folders, shared=team, plots=False)

    for name in ("head.npz", "predictions.csv"):
        assert (own.folder.path / name).read_bytes() == (there.folder.path / name).read_bytes()


def test_new_rows_are_offered(places, photos, tmp_path):
    """Those of two machines come together; a row that is there is not computed again."""
    team = tmp_path / "team"
    share = {**QUIET, "shared": team, "share": True}
    first = pipeline.extract(photos / "train", **share, cache=tmp_path / "a")
    second = pipeline.extract(photos, **share, cache=tmp_path / "b")
    third = pipeline.extract(photos, **QUIET, shared=team, cache=tmp_path / "c")

    assert (first.num_new, first.num_fetched) == (24, 0)
    assert (second.num_new, second.num_fetched) == (24, 24)
    assert (third.num_new, third.num_fetched) == (0, 48)


def test_rows_that_were_not_shared_before_are_offered(warm, photos, tmp_path):
    """After a push that failed, or a command without --share."""
    shutil.copytree(warm["cache"], tmp_path / "cache")
    pipeline.extract(photos, **QUIET, cache=tmp_path / "cache", shared=tmp_path / "team", share=True)

    assert len(store_in(tmp_path / "team")) == 48


def test_failure_to_share_is_a_warning(warm, photos, tmp_path, caplog, monkeypatch):
    """The rows are in the cache all the same."""

    def fail(*_, **__):
        raise UnwritableStoreError("The bucket is full.")

    monkeypatch.setattr(module, "push_store", fail)
    done = pipeline.extract(photos, **QUIET, cache=warm["cache"], shared=tmp_path / "team", share=True)

    assert done.num_rows == 48
    assert "The bucket is full. The rows are in the cache, and were not shared." in caplog.text


def test_damaged_shard_is_computed_again(team, photos, tmp_path, caplog):
    """A warning names it."""
    shutil.copytree(team, tmp_path / "team")
    path = store_in(tmp_path / "team").shard_paths()[0]
    damage(path, 900)
    done = pipeline.extract(photos, **QUIET, cache=tmp_path / "cache", shared=tmp_path / "team")

    assert done.num_new > 0
    assert done.num_new + done.num_fetched == 48
    assert f"{path.name} of {tmp_path / 'team'} is refused" in caplog.text


def test_store_with_another_recipe_is_not_used(team, photos, tmp_path, caplog):
    """Whoever wrote it: the fingerprint is not the wanted one."""
    shutil.copytree(team, tmp_path / "team")
    name = store_in(tmp_path / "team").name
    (tmp_path / "team" / recipe_path(name)).write_text("{}")
    done = pipeline.extract(photos / "test", **QUIET, cache=tmp_path / "cache", shared=tmp_path / "team")

    assert (done.num_new, done.num_fetched) == (12, 0)
    assert "Its rows are not used." in caplog.text
    assert "has no rows" not in caplog.text


def test_server_that_fails_at_the_beginning_is_an_error(team, photos, tmp_path, monkeypatch):
    """Nobody waits for hours of work that the team has done already."""

    def fail(*_, **__):
        raise UnreachableDataError("s3://team cannot be read: access is denied.")

    monkeypatch.setattr(module, "look_into", fail)

    with pytest.raises(UnreachableDataError, match=r"access is denied\. Without --shared, missing rows are computed"):
        pipeline.extract(photos, **QUIET, cache=tmp_path / "cache", shared=team)


def test_server_that_fails_later_costs_only_time(team, photos, tmp_path, monkeypatch, caplog):
    """What was not fetched is computed."""

    def fail(*_, **__):
        raise UnreachableDataError("The network is gone.")

    monkeypatch.setattr(pull, "_receive", fail)
    done = pipeline.extract(photos / "test", **QUIET, cache=tmp_path / "cache", shared=team)

    assert (done.num_new, done.num_fetched) == (12, 0)
    assert "The network is gone. The other rows are not fetched." in caplog.text


def test_pooled_rows_serve_where_grids_are_not_shared(photos, tmp_path):
    """A linear head on averages takes them."""
    pipeline.extract(photos, pool="avg", **QUIET, cache=tmp_path / "pooled")
    pipeline.push_cache(tmp_path / "team", cache=tmp_path / "pooled", progress=False)
    folders = {"cache": tmp_path / "cache", "runs": tmp_path / "runs"}
    run = pipeline.fit(photos, "ridge", **QUIET, **folders, shared=tmp_path / "team", plots=False)

    assert run.info.stage_one["new"] == 0
    assert [store.recipe.pooling for store in pipeline.list_stores(tmp_path / "cache")] == ["avg"]


def test_views_are_shared(photos, tmp_path):
    """They are rows like others."""
    views = {**QUIET, "views": 2, "augment": "flip"}
    share = {"shared": tmp_path / "team", "share": True}
    pipeline.extract_views(photos, **views, **share, cache=tmp_path / "a")
    done = pipeline.extract_views(photos, **views, shared=tmp_path / "team", cache=tmp_path / "b")

    assert (done.num_new, done.num_fetched) == (0, 48)


def test_what_is_shared_is_counted(team, tmp_path):
    """For a plan."""
    paths = pipeline.Paths(cache=tmp_path / "cache", shared=team)
    store = store_in(team)
    keys = np.concatenate([store.keys()[:5], np.array([b"x" * 33], "S33")])

    assert module.count_shared(store.recipe, keys, paths) == 5
    assert module.count_shared(store.recipe, keys, pipeline.Paths(cache=tmp_path)) == 0


def test_to_share_needs_a_place(photos):
    """An option without an effect is an error."""
    with pytest.raises(SettingError, match="--share has an effect only with --shared URL"):
        pipeline.extract(photos, share=True)


def test_nothing_there_is_said(photos, tmp_path, caplog):
    """A name that was mistyped costs hours."""
    with caplog.at_level(logging.WARNING):
        pipeline.extract(photos / "test", **QUIET, cache=tmp_path / "cache", shared=tmp_path / "taem")

    assert "taem has no rows of squeezenet-48px" in caplog.text


def test_heads_find_shared_views(photos, tmp_path):
    """They are fetched for a head, as the images' own rows are; it never computes any."""
    views = {**QUIET, "views": 1, "augment": "flip"}
    share = {"shared": tmp_path / "team", "share": True, "cache": tmp_path / "a"}
    pipeline.extract(photos, **QUIET, **share)
    pipeline.extract_views(photos, **views, **share)
    folders = {"cache": tmp_path / "b", "runs": tmp_path / "runs"}
    run = pipeline.fit(photos, "ridge", **views, **folders, shared=tmp_path / "team", plots=False)

    assert run.info.stage_one["new"] == 0
    assert sorted(len(Store.open(path.parent)) for path in (tmp_path / "b").glob("*/recipe.json")) == [24, 48]


def test_what_is_there_is_named(team, photos, tmp_path, caplog):
    """Settings that were forgotten cost hours, too."""
    pipeline.extract(photos / "test", **QUIET | {"size": 64}, cache=tmp_path / "cache", shared=team)

    assert "has no rows of squeezenet-64px" in caplog.text
    assert f"It has {store_in(team).name}; options such as --base and --size choose one." in caplog.text


def test_store_of_a_stopped_push_is_told_from_a_missing_one(team, photos, tmp_path, caplog):
    """It has a recipe, and no shard yet."""
    name = store_in(team).name
    (tmp_path / "team" / name).mkdir(parents=True)
    shutil.copy(team / recipe_path(name), tmp_path / "team" / name)
    pipeline.extract(photos / "test", **QUIET, cache=tmp_path / "cache", shared=tmp_path / "team")

    assert f"{name} at {tmp_path / 'team'} has no shards: a push was stopped" in caplog.text


def test_fetched_rows_of_another_shape_are_noticed(team, photos, tmp_path):
    """As soon as a row is computed: until then nobody knows better. What to do is said."""
    store = store_in(team)
    forged = Store(tmp_path / "team", store.recipe)
    forged.append(store.keys()[:40], np.ones((40, 1, 1, 512), np.float32), {})
    pipeline.push_cache(tmp_path / "rows", cache=tmp_path / "team", progress=False)

    with pytest.raises(DamagedStoreError, match=r"has rows of the shapes .*\. Some are wrong.*cache prune squeezenet"):
        pipeline.extract(photos, **QUIET, cache=tmp_path / "cache", shared=tmp_path / "rows")
