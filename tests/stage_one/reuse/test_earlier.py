"""Which stores lead to missing rows; what they lead to is in test_ensure.py."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from pipeline.bases.digests import DigestMemory, TrunkInfo
from pipeline.bases.files import weights_path
from pipeline.cache.store import Store
from pipeline.settings import FeatureSettings
from pipeline.stage_one.reuse.earlier import earlier_stores
from tests.cache.samples import RECIPE, fill, make_keys

FEATURES = FeatureSettings(base="squeezenet", weights="random")
CUTS = {"fire3_concat": 5, "fire5_concat": 9, "fire8_concat": 20, "fire9_concat": 30}
"""Cuts with depths that are none of the real ones, so that only remembered ones can be meant."""


@pytest.fixture
def recall(tmp_path, monkeypatch):
    """A folder of weights in which trunks of these depths are remembered; reading the weights is an error."""

    def remember(cuts):
        monkeypatch.setenv("BOTTLENECK_HOME", str(tmp_path / "home"))
        monkeypatch.setitem(sys.modules, "pipeline.bases.weights", None)
        file = weights_path(FEATURES.spec, "random", tmp_path / "home")
        file.parent.mkdir(parents=True)
        file.write_bytes(b"weights")
        for number, (cut, depth) in enumerate(cuts.items()):
            DigestMemory(tmp_path / "home").remember(file, "squeezenet", cut, TrunkInfo(digest(number), 7, None, depth))

    return remember


def digest(number):
    return f"{number:02x}" * 32


def store_of(tmp_path, cut, number=None):
    """A store of this cut with rows 0 to 2."""
    trunk = digest(list(CUTS).index(cut) if number is None else number)
    store = Store(tmp_path / "cache", replace(RECIPE, base="squeezenet", cut=cut, trunk_digest=trunk))
    fill(store, range(3))
    return store


def test_earlier_stores_come_from_the_latest_cut_on(recall, tmp_path):
    """By the depths that are remembered; a store of a later cut, and one of other weights, lead nowhere."""
    recall(CUTS)
    wanted, missing = store_of(tmp_path, "fire8_concat"), make_keys([2, 8])
    first, second, later = (store_of(tmp_path, cut) for cut in ("fire3_concat", "fire5_concat", "fire9_concat"))
    foreign = store_of(tmp_path, "fire5_concat", 99)

    assert earlier_stores(missing, wanted, [later, first, foreign, second], FEATURES) == [second, first]


@pytest.mark.parametrize("known", [{}, dict.fromkeys(CUTS)], ids=["nothing", "no depths"])
def test_weights_are_read_only_where_a_store_has_a_missing_row(known, recall, tmp_path):
    """The usual case costs a look at the keys of the stores; versions before this one remembered no depths."""
    recall(known)
    wanted, earlier = store_of(tmp_path, "fire8_concat"), store_of(tmp_path, "fire5_concat")

    assert earlier_stores(make_keys(np.array([7, 8])), wanted, [earlier], FEATURES) == []
    with pytest.raises(ImportError):
        earlier_stores(make_keys([2, 8]), wanted, [earlier], FEATURES)
