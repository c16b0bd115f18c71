"""Images like others."""

import shutil

import pytest

import pipeline
from pipeline.errors import DataNotFoundError, MissingRowsError, SettingError
from tests.conftest import RANDOM


@pytest.fixture(scope="module")
def run(photos, places):
    return pipeline.fit(photos, "ridge", name="known", plots=False, **RANDOM, **places)


def test_nearest_images_of_a_data_set(photos, places):
    """They are of the image's own class; the image itself is a copy, not a match; and what cannot be read has its reason."""
    found = pipeline.similar([photos / "test" / "red" / "red000.png", "gone.png"], photos, k=5, **RANDOM, **places)
    first, second = found

    assert first.copies == ("test/red/red000.png",)
    assert len(first.similar) == 5
    assert {match.label for match in first.similar} == {"red"}
    assert [match.cosine for match in first.similar] == sorted((match.cosine for match in first.similar), reverse=True)
    assert "test/red/red000.png" not in {match.path for match in first.similar}
    assert second.reason == "no such file"
    assert second.similar == ()


def test_nearest_images_of_a_run(photos, places, run, warm):
    """A run, its name and its folder give the same as its data set."""
    image = photos / "validation" / "blue" / "blue001.png"
    expected = pipeline.similar(image, photos, k=3, **RANDOM, **places).as_dict()["images"]
    for given in (run, "known", places["runs"] / "known"):
        found = pipeline.similar(image, given, k=3, **places)

        assert found.as_dict()["images"] == expected
        assert found.collection == "known"


def test_page_and_notebook_show_thumbnails(photos, places, run):
    """Those of the image and of its matches, of a run too."""
    found = pipeline.similar(photos / "test" / "red" / "red001.png", "known", k=4, out="alike.html", **places)
    text = found.page.read_text(encoding="utf-8")

    assert text.count("data:image/jpeg;base64,") == 5
    assert found._repr_html_().count("data:image/jpeg;base64,") == 5
    assert found.as_dict()["page"] == "alike.html"


def test_rows_that_are_gone_are_named(photos, places, run, tmp_path):
    """A run without its cache says what to do."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(MissingRowsError, match="48 of the 48 images of the run known"):
        pipeline.similar(photos / "test", "known", cache=tmp_path / "empty", runs=places["runs"])


def test_what_cannot_be_asked_is_refused(photos, places):
    """No image, no neighbour, no such place, a page of another kind."""
    image = photos / "test" / "red" / "red000.png"
    with pytest.raises(SettingError, match="Received: 0"):
        pipeline.similar(image, photos, k=0, **RANDOM, **places)
    with pytest.raises(SettingError, match=r"ends with \.html"):
        pipeline.similar(image, photos, out="page.csv", **RANDOM, **places)
    with pytest.raises(DataNotFoundError, match="No such data: 'nowhere'"):
        pipeline.similar(image, "nowhere", **RANDOM, **places)
    with pytest.raises(DataNotFoundError):
        pipeline.similar("gone.png", photos, **RANDOM, **places)


def test_more_neighbours_than_images_are_all(photos, places, tmp_path):
    """Images without labels can be looked through as well."""
    for number in range(3):
        shutil.copy(photos / "test" / "red" / f"red00{number}.png", tmp_path / f"{number}.png")
    found = pipeline.similar(tmp_path / "0.png", tmp_path, **RANDOM, **places)

    assert {match.path for match in found[0].similar} == {"1.png", "2.png"}
    assert {match.label for match in found[0].similar} == {None}


def test_search_is_exact_among_few(photos, places):
    """As JSON says; and a new image, which has no row yet, finds the same as a copy of a known one."""
    known, copy = photos / "test" / "red" / "red001.png", "copy.png"
    shutil.copy(known, copy)
    found = pipeline.similar([known, copy], photos, k=3, **RANDOM, **places)

    assert found.as_dict()["exact"] is True
    assert found[0].similar == found[1].similar
