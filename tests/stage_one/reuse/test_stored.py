"""Settings that were not given come from the rows that are stored for the same images."""

import numpy as np
import pytest

from pipeline.cache.store import Store, row_keys
from pipeline.errors import SettingError
from pipeline.settings import Settings
from pipeline.stage_one.recipes import make_recipe
from pipeline.stage_one.reuse.stored import with_stored_features
from tests.calls import read

USUAL = {"base": "squeezenet", "weights": "random"}


@pytest.fixture
def manifest(photos):
    return read(photos)


@pytest.fixture
def store_rows(manifest, tmp_path):
    """Stores made rows for these settings, in place of stage one."""

    def store(num_images=None, **keywords):
        recipe, _ = make_recipe(manifest, Settings.of(**USUAL | keywords))
        keys = row_keys(manifest.digests[:num_images])
        Store(tmp_path / "cache", recipe).append(keys, np.zeros((len(keys), 2, 2, 4), np.float32), {})

    return store


@pytest.fixture
def complete(manifest, tmp_path):
    """The feature settings that stored rows lead to."""
    return lambda **given: with_stored_features(manifest, Settings.of(cache=tmp_path / "cache", **given)).features


def test_the_only_store_is_used_and_said(store_rows, complete, caplog):
    """`features --base squeezenet --size 48 --resize box`, then `head`: the same features, and a line that says so."""
    store_rows(size=48, resize="box")
    features = complete(weights="random")

    assert (features.base, features.size, features.resize) == ("squeezenet", 48, "box")
    assert "--base squeezenet --size 48" in caplog.text
    assert "--resize box" in caplog.text


def test_what_is_given_is_kept(store_rows, complete):
    """A size that was given is not replaced by a stored one."""
    store_rows(size=48)

    assert complete(**USUAL, size=64).size == 64
    assert complete(**USUAL, resize="nearest").size is None


def test_several_sizes_are_a_question(store_rows, complete):
    """Two stores that differ in size: the error lists the options of each."""
    store_rows(size=48)
    store_rows(size=64)

    with pytest.raises(SettingError, match=r"--size 48 --weights random\n.*--size 64"):
        complete(**USUAL)
    assert complete(**USUAL, size=64).size == 64


def test_defaults_are_preferred_where_they_are_stored(store_rows, complete):
    """Rows of an earlier layer or another preprocessing beside the usual ones change nothing."""
    store_rows(size=48)
    store_rows(size=48, cut="fire5_concat")
    store_rows(size=48, preprocess="rescale")
    features = complete(**USUAL)

    assert (features.size, features.cut, features.preprocess) == (48, "fire9_concat", "native")


def test_cut_is_not_taken_from_a_store(store_rows, complete):
    """Fine-tuning from the cache leaves rows of an earlier layer; a head then still uses the last one, of the same size."""
    store_rows(size=48, cut="fire5_concat")

    assert (complete(**USUAL).size, complete(**USUAL).cut) == (48, "fire9_concat")
    assert complete(**USUAL, cut="fire5_concat").cut == "fire5_concat"


def test_stores_of_other_images_do_not_count(store_rows, complete):
    """A store that has one of the images beside a store of all of them is somebody else's."""
    store_rows(size=48)
    store_rows(1, size=64)

    assert complete(**USUAL).size == 48


def test_without_rows_the_defaults_hold(complete):
    """An empty cache decides nothing."""
    assert complete().size is None
