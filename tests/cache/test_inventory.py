"""Which rows are there, and which stores can have those that are missing; nothing but recipes is read of other stores."""

from dataclasses import replace

import pytest

from pipeline.bases.table import Preprocessing
from pipeline.cache.inventory import take_inventory
from pipeline.cache.scratch import ScratchStore
from pipeline.cache.store import Store
from pipeline.images.decoding.decoder import Decoder
from tests.cache.samples import RECIPE, damage, fill, make_keys

EARLIER = replace(RECIPE, cut="block4_pool", trunk_digest="cd" * 32)
POOLED = RECIPE.with_pooling("avg")
KEYS = make_keys(range(3))


def names(stores):
    return [store.name for store in stores]


def test_complete_store_needs_no_other(tmp_path):
    """The first one that has all rows; no other folder of the cache is looked at."""
    fill(Store(tmp_path, POOLED), range(3))
    fill(Store(tmp_path, EARLIER), range(3))
    fill(Store(tmp_path, RECIPE), range(2))
    pooled = take_inventory(KEYS, tmp_path, RECIPE, POOLED)
    fill(Store(tmp_path, RECIPE), range(2, 3))
    first = take_inventory(KEYS, tmp_path, RECIPE, POOLED)

    assert (pooled.store.recipe, first.store.recipe) == (POOLED, RECIPE)
    assert pooled.is_complete
    assert first.is_complete
    assert (*first.other_cuts, *first.other_decoders, first.alternative) == (None,)


def test_store_of_another_cut_can_have_rows(tmp_path):
    """For stored grids and for pooled rows in half precision, which are both made of its grids."""
    fill(Store(tmp_path, EARLIER), range(3))
    fill(Store(tmp_path, RECIPE), range(1))

    for wanted in (RECIPE, replace(POOLED, dtype="float16")):
        assert names(take_inventory(KEYS, tmp_path, wanted).other_cuts) == [EARLIER.folder_name]


@pytest.mark.parametrize(
    "changes",
    [
        {"cut": RECIPE.cut, "trunk_digest": "ef" * 32},
        {"base": "vgg19"},
        {"decoder": Decoder(151, "bilinear")},
        {"decoder": Decoder(150, "nearest")},
        {"preprocessing": Preprocessing("native", "RGB")},
        {"dtype": "float16"},
        {"precision": "mixed_float16"},
        {"pooling": "max"},
    ],
    ids=str,
)
def test_store_that_differs_in_more_has_none(changes, tmp_path):
    """Other weights, another base, input or number format."""
    fill(Store(tmp_path, replace(EARLIER, **changes)), range(1))

    assert names(take_inventory(KEYS, tmp_path, RECIPE).other_cuts) == []


def test_stores_of_other_decoders_are_named(tmp_path):
    """One of them is that of decoder 1, which is opened once."""
    plain = replace(RECIPE, decoder=Decoder(150))
    old = replace(plain, decoder=Decoder(150, background="drop", version=1))
    fill(Store(tmp_path, old), range(3))
    fill(Store(tmp_path, replace(old, cut="block4_pool")), range(3))
    found = take_inventory(KEYS, tmp_path, plain, plain.with_pooling("avg"))

    assert names(found.other_decoders) == [old.folder_name]
    assert found.other_decoders[0] is found.version_1
    assert found.alternative.version_1 is None
    assert take_inventory(KEYS, tmp_path, replace(plain, decoder=Decoder(150, fit="crop"))).version_1 is None


def test_few_missing_rows_are_not_looked_for(tmp_path):
    """The recipes of other stores are not even read then."""
    fill(Store(tmp_path, EARLIER), range(3))
    fill(Store(tmp_path, RECIPE), range(1))

    assert names(take_inventory(KEYS, tmp_path, RECIPE, few=2).other_cuts) == []
    assert names(take_inventory(KEYS, tmp_path, RECIPE, few=1).other_cuts) == [EARLIER.folder_name]


def test_no_shard_of_another_store_is_opened(tmp_path):
    """A damaged one is set aside when a row is looked for in it, and not before."""
    fill(other := Store(tmp_path, EARLIER), range(3))
    damage(other.shard_paths()[0], 100)
    found = take_inventory(KEYS, tmp_path, RECIPE)

    assert len(other.shard_paths()) == 1
    assert not found.other_cuts[0].has(KEYS).any()
    assert other.shard_paths() == []


def test_rows_that_appear_are_no_longer_missing(tmp_path):
    """What is missing is asked of the store each time."""
    found = take_inventory(KEYS, tmp_path, RECIPE)
    assert found.missing.tolist() == KEYS.tolist()

    fill(found.store, range(2))
    assert found.missing.tolist() == KEYS[2:].tolist()


def test_store_that_cannot_be_written_is_replaced(tmp_path):
    """By a temporary one, into which nothing is copied from the store of decoder 1."""
    plain = replace(RECIPE, decoder=Decoder(150))
    fill(Store(tmp_path / "cache", replace(plain, decoder=Decoder(150, background="drop", version=1))), range(3))
    (tmp_path / "cache" / plain.folder_name).write_text("a file where the store's folder would be")
    found = take_inventory(KEYS, tmp_path / "cache", plain, plain.with_pooling("avg"), keep=False)

    assert isinstance(found.store, ScratchStore)
    assert (found.version_1, found.alternative) == (None, None)


def test_an_open_store_is_asked(tmp_path):
    """If it is the store of the recipe, of this cache and with this limit of pixels: its shards are checked once."""
    opened = Store(tmp_path, RECIPE)
    fill(opened, range(3))

    assert take_inventory(KEYS, tmp_path, RECIPE, opened=opened).store is opened
    assert take_inventory(KEYS, tmp_path, RECIPE.with_max_pixels(9), opened=opened).store is not opened
    assert take_inventory(KEYS, tmp_path / "other", RECIPE, opened=opened).store is not opened
