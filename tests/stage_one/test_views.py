"""Views as rows, with a small random base."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from pipeline.cache.store import Store, row_keys
from pipeline.errors import MissingRowsError, SettingError
from pipeline.images.augment import AUGMENTATIONS, ViewMaker
from pipeline.settings import Settings
from pipeline.stage_one.engines.choose import make_engine
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.views import Views
from pipeline.stage_two.dense.batches import training_source
from pipeline.stage_two.dense.settings import Training
from pipeline.stage_two.rows import Split
from pipeline.training.finetune.settings import FineTuning
from tests.calls import extract, extract_views, fit, scan, tune

R0 = AUGMENTATIONS["r0"]


@pytest.fixture
def options(tmp_path):
    return Settings.of(base="squeezenet", size=48, weights="random", cache=tmp_path / "cache", runs=tmp_path / "runs")


@pytest.fixture(scope="module")
def stored(photos, tmp_path_factory):
    """Settings with a cache that holds two views of every image."""
    folder = tmp_path_factory.mktemp("views")
    options = Settings.of(base="squeezenet", size=48, weights="random", cache=folder / "cache", runs=folder / "runs")
    extract_views(photos, Views(2, R0, tta=True), settings=options)
    return options


def test_more_views_cost_only_the_new_ones(photos, options):
    """K from 2 to 3 computes one view of each of the 24 training images, and view 0 stays where it is."""
    extract(photos, settings=options)
    first = extract_views(photos, Views(2, R0), settings=options)
    second = extract_views(photos, Views(3, R0), settings=options)

    assert first.num_new == 48
    assert second.num_new == 24
    assert extract(photos, settings=options).num_new == 0
    assert first.store.name == second.store.name


def test_a_stored_view_is_the_features_of_that_view(photos, stored):
    """Row (image, 2) holds what the trunk makes of view 2 of that image, whatever was computed beside it."""
    options = stored
    done = extract_views(photos, Views(2, R0), settings=options)
    assert done.num_new == 0
    manifest = scan(photos, settings=options).split("train").select([5])
    recipe = done.store.recipe
    maker = ViewMaker.from_json(recipe.augmentation)
    pixels = maker(recipe.decoder.decode(manifest.read(0)), manifest.digests[0], 2)
    fresh = make_engine(recipe, "random", options.compute, 1).features(pixels[None])

    assert np.array_equal(done.store.read(row_keys(manifest.digests, 2)), fresh)


def test_other_settings_or_seeds_are_other_rows(photos, options):
    """Rows of one augmentation are never taken for those of another."""
    manifest = scan(photos, settings=options)
    recipe, _ = make_recipe(manifest, options)
    names = {Views(1, R0).recipe(recipe).fingerprint, Views(1, R0, seed=1).recipe(recipe).fingerprint}
    names |= {Views(1, replace(R0, rotation=10)).recipe(recipe).fingerprint, recipe.fingerprint}

    assert len(names) == 4


def test_only_training_images_have_views(photos, options):
    """Validation and test images are not augmented, unless predictions are to be averaged over their views."""
    done = extract_views(photos, Views(1, R0), settings=options)
    held_out = [
        image for split in ("validation", "test") for image in scan(photos, settings=options).split(split).digests
    ]

    assert not done.store.has(row_keys(held_out, 1)).any()
    assert extract_views(photos, Views(1, R0, tta=True), settings=options).num_new == len(held_out)


def test_views_that_are_not_stored_are_an_error_that_names_the_command(photos, options):
    """Augmentation is never silently left out."""
    with pytest.raises(
        MissingRowsError, match=r"bottleneck features .* --base squeezenet --size 48 --views 2 --augment r0"
    ):
        fit(photos, "logreg", views=Views(2, R0), settings=options)


@pytest.mark.parametrize("head", ["logreg", "dense:8,relu"])
def test_heads_train_on_views(photos, stored, head):
    """Linear and dense heads take views, and the run says so."""
    run = fit(photos, head, views=Views(2, R0, tta=True), training=Training(epochs=2), settings=stored, plots=False)

    assert run.folder.info.views == {"count": 2, "augmentation": "r0", "seed": 0, "tta": True}
    assert run.metrics["train"]["n"] == 24


def test_fine_tuning_from_the_cache_takes_views(photos, options):
    """Augmented fine-tuning without the trunk: rows of views at the boundary."""
    at_cut = options.with_changes(cut="fire8_concat")
    extract_views(photos, Views(2, R0), settings=at_cut)
    tuning = FineTuning(
        head="softmax",
        pool="avg",
        training=Training(epochs=1),
        first="fire9_squeeze1x1",
        head_epochs=0,
        cached=True,
        views=Views(2, R0),
    )
    run = tune(photos, tuning, settings=options, plots=False)

    assert run.info.views["count"] == 2
    with pytest.raises(SettingError, match="--views needs --cached"):
        replace(tuning, cached=False)


def test_an_epoch_draws_one_view_an_image_or_sees_all():
    """`sample` draws anew each epoch from views 0 to K; `all` has (K + 1) N rows."""
    rows = np.arange(50, dtype=np.float32)[:, None]
    train = Split(rows, np.arange(50) % 2, ("",) * 50, (rows + 1000, rows + 2000))
    sample = training_source(train, Training(view_mode="sample"))
    drawn = [next(sample.blocks(np.arange(50), 50, epoch=epoch))[:, 0] for epoch in (0, 1, 0)]
    everything = training_source(train, Training(view_mode="all"))

    assert all(np.array_equal(epoch % 1000, np.arange(50)) for epoch in drawn)
    assert set(drawn[0] // 1000) == {0, 1, 2}
    assert not np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[0], drawn[2])
    assert len(everything.y) == 150


def test_views_and_recipes_must_fit(photos, options):
    """View 0 of an augmented recipe, and view 1 of a plain one, are refused."""
    from tests.stage_one.whole import extract_in_process

    manifest = scan(photos, settings=options)
    recipe, _ = make_recipe(manifest, options)
    with pytest.raises(SettingError, match="need a recipe with an augmentation"):
        extract_in_process(
            manifest,
            Store(options.paths.cache, recipe),
            partial(make_engine, recipe, "random", options.compute),
            views=[1],
        )
    with pytest.raises(SettingError, match=r"in \[1, 255\]"):
        Views(256, R0)
