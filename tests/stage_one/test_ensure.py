"""Missing rows are derived from rows of an earlier layer where there are any, and computed from images otherwise."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.cache.store import Store, row_keys
from pipeline.images.augment import AUGMENTATIONS
from pipeline.images.decoding.decoder import Decoder
from pipeline.settings import Settings
from pipeline.stage_one.extraction import Extraction
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.views import Views
from tests.calls import extract, extract_views, scan

EARLY, LATE = "fire5_concat", "fire8_concat"


def settings_in(folder: Path) -> Settings:
    places = {"cache": folder / "cache", "runs": folder / "runs"}
    return Settings.of(base="squeezenet", size=48, weights="random", batch_size=8, **places)


@pytest.fixture
def options(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture(scope="module")
def make(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Extraction]:
    """Extracts the features of all photos into a cache of its own."""

    def extract_apart(**changes: object) -> Extraction:
        return extract(photos, settings=settings_in(tmp_path_factory.mktemp("apart")).with_changes(**changes))

    return extract_apart


@pytest.fixture(scope="module")
def direct(make: Callable[..., Extraction]) -> np.ndarray:
    """Rows of the last layer, computed from the images."""
    return rows_of(make())


@pytest.fixture(scope="module")
def _early(make: Callable[..., Extraction]) -> Path:
    """A cache with the rows of all photos at an early layer. Read only."""
    return make(cut=EARLY).store.folder.parent


@pytest.fixture
def with_early(_early: Path, options: Settings) -> Settings:
    """The settings, with a copy of that cache."""
    shutil.copytree(_early, options.paths.cache)
    return options


@pytest.fixture
def _no_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding is an error from now on."""

    def refuse(*_: object) -> None:
        raise AssertionError("an image was decoded")

    monkeypatch.setattr(Decoder, "decode", refuse)


def rows_of(done: Extraction) -> np.ndarray:
    return done.store.read(done.store.keys())


def test_rows_of_a_later_layer_come_from_an_earlier_one(
    photos: Path, direct: np.ndarray, with_early: Settings, request: pytest.FixtureRequest
):
    """No image is decoded, and the rows are those of the whole trunk, bit for bit."""
    extract(photos, settings=with_early.with_changes(cut=LATE))
    request.getfixturevalue("_no_images")
    done = extract(photos, settings=with_early)

    assert (done.num_new, done.num_derived, done.engine) == (48, 48, "tensorflow")
    assert np.array_equal(rows_of(done), direct)
    assert extract(photos, settings=with_early).num_new == 0


def test_what_no_earlier_row_is_there_for_comes_from_its_image(photos: Path, direct: np.ndarray, options: Settings):
    """Of 48 images 24 have an earlier row."""
    manifest = scan(photos, settings=options)
    extract(manifest.split("train"), settings=options.with_changes(cut=EARLY))
    done = extract(manifest, settings=options)

    assert (done.num_new, done.num_derived) == (48, 24)
    assert np.array_equal(rows_of(done), direct)


def test_a_few_missing_rows_are_made_from_images(photos: Path, with_early: Settings):
    """No more than a batch are not worth opening another store; above all not those of images that cannot be read."""
    manifest = scan(photos, settings=with_early)
    extract(manifest.select(range(40)), settings=with_early)
    done = extract(manifest, settings=with_early)

    assert (done.num_new, done.num_derived) == (8, 0)


def test_views_and_pooled_rows_come_from_earlier_rows_too(
    photos: Path, options: Settings, request: pytest.FixtureRequest
):
    """Views from views of the same augmentation; pooled rows from grids."""
    views = Views(2, AUGMENTATIONS["r0"])
    direct = extract_views(
        photos, views, pool="avg", settings=options.with_changes(cache=options.paths.cache / "direct")
    )
    extract_views(photos, views, settings=options.with_changes(cut=EARLY))
    request.getfixturevalue("_no_images")
    done = extract_views(photos, views, pool="avg", settings=options)

    assert done.num_derived == 48
    assert np.array_equal(rows_of(done), rows_of(direct))


OTHERS = (
    {"cut": EARLY, "size": 56},
    {"cut": EARLY, "dtype": "float16"},
    {"cut": EARLY, "preprocess": "rescale"},
    {"cut": EARLY, "resize": "nearest"},
    {"cut": "fire9_concat"},
)


def test_rows_that_do_not_lead_there_are_left_alone(photos: Path, options: Settings):
    """Another size, precision, preprocessing or filter, and a later layer: each has all rows, and none is used."""
    manifest = scan(photos, settings=options)
    for other in OTHERS:
        recipe, _ = make_recipe(manifest, options.with_changes(**other))
        rows = np.ones((48, 4), np.float32)  # that are not looked at
        Store(options.paths.cache, recipe).append(row_keys(manifest.digests), rows, {})
    done = extract(manifest, settings=options.with_changes(cut=LATE))

    assert len(list(options.paths.cache.glob("*/shards"))) == len(OTHERS) + 1
    assert (done.num_new, done.num_derived) == (48, 0)


def test_rows_of_other_weights_are_left_alone(photos: Path, options: Settings, home: Path):
    """The same layer of a network with other weights has another digest."""
    from pipeline.bases.find import find_base
    from pipeline.bases.network import build_base

    base = build_base(find_base("squeezenet"), 48)
    file = home / "others.weights.h5"
    base.save_weights(file)
    extract(photos, settings=options.with_changes(cut=EARLY, weights=str(file)))

    assert extract(photos, settings=options).num_derived == 0
