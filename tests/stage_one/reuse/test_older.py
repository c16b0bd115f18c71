"""Rows of stores with other pixels: those of 0.1 and 0.2 are taken over where that is right, others are named."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cache.inventory import take_inventory
from pipeline.cache.store import Store, row_keys, view_keys
from pipeline.images.decoding.decoder import Decoder
from pipeline.images.scan import scan
from pipeline.stage_one.reuse.older import name_others, options_of, take_over, use_older
from tests.conftest import draw_tree
from tests.faults.child import SMALL

OLD = Decoder(SMALL.decoder.size_px, background="drop", version=1)
NEW = replace(SMALL, decoder=Decoder(SMALL.decoder.size_px))


@pytest.fixture
def filled(tmp_path: Path):
    """Photos, of which one is transparent, and a store of decoder 1 with a row for each."""
    folder = draw_tree(tmp_path / "photos", {"": 3})
    Image.new("RGBA", (9, 9), (200, 0, 0, 100)).save(folder / "red" / "cut-out.png")
    manifest = scan(folder)
    older = Store(tmp_path / "cache", replace(SMALL, decoder=OLD))
    keys = view_keys(manifest.digests, [0])
    older.append(
        keys, np.random.default_rng(0).random((len(keys), 2, 2, 3), np.float32), {"engine": "averages", "seconds": "7"}
    )
    return manifest, older, keys


def test_rows_are_taken_over_where_the_pixels_are_the_same(filled, tmp_path):
    """Bit for bit; the transparent image has to be computed anew."""
    manifest, older, keys = filled
    store = Store(tmp_path / "cache", NEW)
    cut_out = np.array([name.endswith("cut-out.png") for name in manifest.names])

    assert take_over(manifest, take_inventory(keys, tmp_path / "cache", NEW)) == 6
    assert store.has(keys).tolist() == (~cut_out).tolist()
    np.testing.assert_array_equal(store.read(keys[~cut_out]), older.read(keys[~cut_out]))
    assert take_over(manifest, take_inventory(keys, tmp_path / "cache", NEW)) == 0


@pytest.mark.parametrize(
    "decoder",
    [replace(NEW.decoder, fit="crop"), replace(NEW.decoder, resize="box"), replace(NEW.decoder, exif=False), OLD],
)
def test_nothing_is_taken_over_by_other_decoders(decoder, filled, tmp_path):
    """Nor by the store itself."""
    manifest, _, keys = filled

    assert take_over(manifest, take_inventory(keys, tmp_path / "cache", replace(NEW, decoder=decoder))) == 0


def test_image_that_has_changed_is_not_taken_over(filled, tmp_path):
    """The header that would be looked at is another image's."""
    manifest, _, keys = filled
    for path in (tmp_path / "photos" / "blue").iterdir():
        path.write_bytes(b"another")

    assert take_over(manifest, take_inventory(keys, tmp_path / "cache", NEW)) == 3


def test_complete_store_is_chosen_first(filled, tmp_path):
    """A pooled store of decoder 1 serves where the grid is missing, as one of decoder 2 does."""
    manifest, older, keys = filled
    opaque = manifest.select([row for row, name in enumerate(manifest.names) if not name.endswith("cut-out.png")])
    keys = row_keys(opaque.digests)
    pooled = Store(tmp_path / "other", older.recipe.with_pooling("avg"))
    pooled.append(keys, np.zeros((len(keys), 3), np.float32), {"engine": "averages", "seconds": "7"})

    def choose():
        inventory = take_inventory(keys, tmp_path / "other", NEW, NEW.with_pooling("avg"))
        return use_older(opaque, inventory, few=0)

    assert choose().store.recipe == NEW.with_pooling("avg")
    assert choose().is_complete
    shutil.rmtree(tmp_path / "other")
    assert choose().store.recipe == NEW


def test_other_store_is_named_with_its_options(filled, tmp_path, caplog):
    """A store of the same images under another filter costs a sentence, not hours in silence."""
    _, older, keys = filled
    with caplog.at_level(logging.WARNING):
        for wanted in (replace(NEW, decoder=replace(NEW.decoder, resize="box")), replace(NEW, cut="another")):
            inventory = take_inventory(keys, tmp_path / "cache", wanted)
            name_others(keys, inventory.store, inventory.other_decoders)

    (message,) = caplog.messages
    assert message.startswith(f"7 of the 7 rows that are missing are in {older.name}")
    assert "add --decoder 1 --resize lanczos;" in message


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"exif": False}, "--no-exif"),
        ({"fit": "pad", "background": "#102030"}, "--fit pad --background '#102030'"),
        ({"resize": "box", "background": "drop"}, "--resize box --background drop"),
    ],
)
def test_options_choose_the_other_decoder(changes, options):
    """They can be typed into a shell as they are."""
    assert options_of(replace(NEW.decoder, **changes), NEW.decoder) == options
