"""Copies of an image share a row; each file counts for itself."""

import numpy as np
import pytest

from pipeline.settings import Settings
from pipeline.stage_one.computing.compute import Computed
from pipeline.stage_one.copies import compute_with_copies
from tests.calls import extract, read, scan
from tests.conftest import RANDOM, draw_photo


@pytest.fixture
def data(tmp_path):
    """Three copies of one image, and another image."""
    first = draw_photo(tmp_path / "data" / "a" / "1.png", (9, 9, 9), 0)
    for name in ("a/2.png", "b/3.png"):
        (tmp_path / "data" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "data" / name).write_bytes(first.read_bytes())
    draw_photo(tmp_path / "data" / "b" / "4.png", (99, 9, 9), 1)
    return tmp_path / "data"


def test_unchanged_copy_has_its_row(data, tmp_path, monkeypatch):
    """The file that changed after the scan is skipped, its copies are not."""
    settings = Settings.of(**RANDOM, cache=tmp_path / "cache")
    manifest = scan(data, settings)
    monkeypatch.setattr("tests.calls.scan", lambda *_: manifest)
    draw_photo(data / "a" / "1.png", (200, 9, 9), 2)
    done = extract(data, settings=settings)

    assert done.manifest.names == ("a/2.png", "b/3.png", "b/4.png")
    assert [entry.path for entry in done.manifest.skipped] == ["a/1.png"]
    assert "changed while it was read" in done.manifest.skipped[0].reason
    assert len(done.store.read(done.keys())) == 3


def test_each_copy_is_tried_once(data):
    """If all copies changed, all are skipped; an image that cannot be decoded is not tried again."""
    manifest = read(data)
    tried = []

    def compute(images):
        rows = np.unique(images.digests, return_index=True)[1]
        tried.extend(images.names[row] for row in rows)
        return Computed(0, {}, {images.digests[row]: "changed" for row in rows}, None)

    _, rest = compute_with_copies(manifest, compute)

    assert len(rest) == 0
    assert sorted(tried) == sorted(entry.path for entry in rest.skipped) == sorted(manifest.names)
