"""Which stores lead to missing rows; what they lead to is in test_ensure.py."""

import sys
from dataclasses import replace

import pytest

from pipeline.bases.table import Preprocessing
from pipeline.cache.store import Store
from pipeline.images.decoding.decoder import Decoder
from pipeline.settings import Settings
from pipeline.stage_one.reuse.earlier import _candidates, earlier_stores
from tests.cache.samples import RECIPE, fill, make_keys

EARLIER = replace(RECIPE, cut="block4_pool", trunk_digest="cd" * 32)


def test_store_of_another_cut_is_a_candidate(tmp_path):
    """For stored grids and for pooled rows in half precision, which are both made of its grids."""
    fill(Store(tmp_path, EARLIER), range(3))
    fill(Store(tmp_path, RECIPE), range(3))

    for wanted in (RECIPE, replace(RECIPE.with_pooling("avg"), dtype="float16")):
        assert [store.name for store in _candidates(wanted, tmp_path)] == [EARLIER.folder_name]


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
def test_store_that_differs_in_more_is_none(changes, tmp_path):
    """Other weights, another base, input or number format."""
    fill(Store(tmp_path, replace(EARLIER, **changes)), range(1))

    assert _candidates(RECIPE, tmp_path) == []


def test_no_network_is_built_where_no_store_has_a_missing_row(tmp_path, monkeypatch):
    """The usual case costs a look at the keys of the stores."""
    monkeypatch.setitem(sys.modules, "pipeline.bases.cut", None)  # importing it is an error
    fill(Store(tmp_path, EARLIER), range(3))

    assert earlier_stores(make_keys([7, 8]), Store(tmp_path, RECIPE), Settings.of(cache=tmp_path)) == []
    with pytest.raises(ImportError):
        earlier_stores(make_keys([2, 8]), Store(tmp_path, RECIPE), Settings.of(cache=tmp_path))
