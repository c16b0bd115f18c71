"""Which rows are missing, and images that are left out."""

import numpy as np
import pytest

from pipeline.cache.store import Store
from pipeline.errors import SettingError
from pipeline.stage_one.computing.compute import keys_of
from pipeline.stage_one.missing import leave_out, missing_items
from tests.cache.samples import RECIPE
from tests.calls import read as scan
from tests.conftest import draw_tree


def test_each_missing_content_is_one_item_in_the_order_of_the_keys(tmp_path):
    """Copies are computed once, rows that are stored are not, and the order does not depend on file names."""
    data = draw_tree(tmp_path / "data", {"": 3})
    (data / "red" / "copy.png").write_bytes((data / "red" / "red000.png").read_bytes())
    manifest, store = scan(data), Store(tmp_path / "cache", RECIPE)
    every = keys_of(manifest, missing_items(manifest, store, (0,)))
    store.append(every[2:4], np.zeros((2, 5), np.float32), {})
    left = keys_of(manifest, missing_items(manifest, store, (0,)))

    assert len(every) == 6
    assert every.tolist() == np.unique(every).tolist()
    assert left.tolist() == [*every[:2].tolist(), *every[4:].tolist()]


def test_views_must_fit_the_recipe(tmp_path):
    """View 1 of a recipe without augmentation would be the image as it is."""
    manifest = scan(draw_tree(tmp_path / "data", {"": 1}))

    with pytest.raises(SettingError, match=r"Received: views \[0, 1\]"):
        missing_items(manifest, Store(tmp_path / "cache", RECIPE), (0, 1))


def test_images_that_are_left_out_are_listed_with_reasons(tmp_path):
    """All names of the same content are skipped."""
    data = draw_tree(tmp_path / "data", {"": 2})
    (data / "red" / "copy.png").write_bytes((data / "red" / "red000.png").read_bytes())
    manifest = scan(data)
    digest = manifest.digests[manifest.names.index("red/red000.png")]
    kept = leave_out(manifest, {digest: "damaged"})

    assert len(kept) == 3
    assert sorted((entry.path, entry.reason) for entry in kept.skipped) == [
        ("red/copy.png", "damaged"),
        ("red/red000.png", "damaged"),
    ]
