"""The result of stage one describes itself in one line, as JSON and as a table."""

from pathlib import Path

import pytest

from pipeline.cache.store import Store
from pipeline.images.manifest import Files, Manifest
from pipeline.images.summary import Skipped
from pipeline.stage_one.extraction import Extraction
from tests.cache.samples import RECIPE, SHAPE, digest_of, fill


def make_extraction(cache: Path, *, num_skipped: int = 1, name: str = "<b>bad</b>.png", num_new: int = 3) -> Extraction:
    """Four images with rows, and some skipped ones."""
    store = Store(cache, RECIPE)
    fill(store, range(4))
    manifest = Manifest(
        images=Files(Path(), ()),
        positions=tuple(range(4)),
        names=tuple(f"{number}.png" for number in range(4)),
        digests=tuple(map(digest_of, range(4))),
        labels=("cat", "dog", "cat", "dog"),
        splits=("train", "train", "validation", "test"),
        skipped=tuple(Skipped(name, "damaged & cut") for _ in range(num_skipped)),
    )
    return Extraction(manifest=manifest, store=store, num_new=num_new, seconds=1.5, engine="averages", num_derived=1)


def test_line_is_short_and_counts(tmp_path):
    """Store, rows, new and skipped ones, seconds; no manifest of thousands of images."""
    assert repr(make_extraction(tmp_path)) == f"Extraction({RECIPE.folder_name}: 4 rows, 3 new, 1 skipped, 1.5 s)"


def test_json_names_rows_store_and_skipped_images(tmp_path):
    """Rows that were not computed were reused; speed is in new rows per second."""
    received = make_extraction(tmp_path).as_dict()

    assert received == {
        "rows": 4,
        "new": 3,
        "from_rows": 1,
        "fetched": 0,
        "reused": 1,
        "classes": {"cat": {"train": 1, "validation": 1, "test": 0}, "dog": {"train": 1, "validation": 0, "test": 1}},
        "unlabelled": 0,
        "task": "classification",
        "skipped": [{"path": "<b>bad</b>.png", "reason": "damaged & cut"}],
        "ignored": [],
        "shape": list(SHAPE),
        "store": str(tmp_path / RECIPE.folder_name),
        "fingerprint": RECIPE.fingerprint,
        "images_per_second": pytest.approx(2.0),
        "seconds": 1.5,
        "engine": "averages",
        "trunk_digest": RECIPE.trunk_digest,
        "duplicates": [],
    }


def test_nothing_new_has_no_speed(tmp_path):
    """A complete store is no measurement."""
    assert make_extraction(tmp_path, num_new=0).images_per_second is None


def test_table_is_escaped(tmp_path):
    """Names of files are text, never markup."""
    page = make_extraction(tmp_path / "<i>")._repr_html_()

    assert "&lt;b&gt;bad&lt;/b&gt;.png</code>: damaged &amp; cut" in page
    assert f">{tmp_path!s}/&lt;i&gt;/{RECIPE.folder_name}</td>" in page
    assert "<b>" not in page
    assert ">rows</th>" in page
    assert ">3</td>" in page
    assert ">1.5</td>" in page


@pytest.mark.parametrize(("num_skipped", "num_listed", "more"), [(0, 0, ""), (10, 10, ""), (12, 10, "and 2 more")])
def test_table_lists_the_first_skipped_images(tmp_path, num_skipped, num_listed, more):
    """Ten with their reasons, then a count; without skipped images there is no list."""
    page = make_extraction(tmp_path, num_skipped=num_skipped)._repr_html_()

    assert page.count("<code>") == num_listed
    assert ("<ul>" in page) == bool(num_skipped)
    assert more in page
    assert ("more</li>" in page) == bool(more)
