"""URLs with `*`, `?` and `[`: patterns where no object has that name."""

import glob
from pathlib import Path

import pytest

from pipeline.errors import DataLayoutError, DataNotFoundError
from pipeline.images.files.hashing import FileHashes
from pipeline.images.given import read_given
from pipeline.images.remote.fetch import Version
from pipeline.images.remote.listing import Below
from pipeline.images.remote.patterns import matching, may_be_pattern, split
from tests.calls import read as scan
from tests.conftest import draw_photo

PATHS = ("1.jpg", "2.png", ".3.jpg", "a/4.jpg", "a/b/5.jpg", "a/.c/6.jpg", "b/7.jpg", "[x].jpg")


@pytest.mark.parametrize(
    ("url", "folder", "pattern"),
    [
        ("s3://bucket/*.jpg", "s3://bucket/", "*.jpg"),
        ("s3://bucket/photos/*/1?.jpg", "s3://bucket/photos/", "*/1?.jpg"),
        ("gs://bucket/a b/[12].jpg", "gs://bucket/a b/", "[12].jpg"),
        ("https://host/p/a%20*.jpg?sig=x", "https://host/p/?sig=x", "a *.jpg"),
    ],
)
def test_pattern_begins_at_the_first_part_with_such_characters(url, folder, pattern):
    """The folder above it is what is listed."""
    assert may_be_pattern(url)
    assert split(url) == (folder, pattern)


@pytest.mark.parametrize("url", ["s3://bucket/photos", "https://host/1.jpg?w=*", "s3://b*/1.jpg"])
def test_other_urls_are_none(url):
    """A question mark begins a query on the web; names of buckets have no such characters."""
    assert not may_be_pattern(url)


@pytest.mark.parametrize(
    "pattern", ["*.jpg", "?.*", "a/*", "*/*", "**/*.jpg", "**/b/*", "a/**", "[12].*", "[[]x].jpg", "*/b/5.jpg"]
)
def test_names_match_as_on_a_disk(pattern, tmp_path, monkeypatch):
    """What Python's `glob` finds of the same names as files."""
    for path in PATHS:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.chdir(tmp_path)
    here = sorted(path for path in glob.glob(pattern, recursive=True) if Path(path).is_file())  # noqa: PTH207 hidden ones
    below = Below(dict.fromkeys(PATHS, Version()), {path: f"s3://b/{path}" for path in PATHS})

    assert sorted(matching(below, pattern).urls) == here != []


def test_folders_match_where_no_object_does():
    """As the shell's pattern would name them."""
    below = Below(dict.fromkeys(("a/1.jpg", "a/b/2.jpg", "c/3.jpg"), Version()), {})
    below.urls = {path: path for path in below.versions}

    assert sorted(matching(below, "[ab]*").urls) == ["a/1.jpg", "a/b/2.jpg"]
    assert matching(below, "x*").urls == {}


@pytest.fixture
def site(web, tmp_path):
    """Images on a web server, one with a star in its name."""
    for number, name in enumerate(("a/1", "a/2", "b/1", "b/st*r")):
        web.files[f"/p/{name}.png"] = draw_photo(tmp_path / "x.png", (9, 9, 9), number).read_bytes()
    return web


def given(url, **keywords):
    """Names and reasons of what is given."""
    found = read_given(url, FileHashes(), **keywords)
    reasons = found.unread(found.manifest)
    return {name: reasons.get(row) for row, name in enumerate(found.names)}


def test_patterns_are_read_where_images_are_given(site):
    """The matching images alone are fetched; an object of that very name is no pattern."""
    assert given(site.url("/p/*/1.png")) == dict.fromkeys(map(site.url, ("/p/a/1.png", "/p/b/1.png")))
    assert sorted(path for path in site.asked() if path.endswith(".png")) == ["/p/a/1.png", "/p/b/1.png"]
    assert given(site.url("/p/b/st*r.png")) == {site.url("/p/b/st*r.png"): None}
    assert "/p/b/" not in site.asked()
    assert given(site.url("/p/[ab]")) == dict.fromkeys(
        map(site.url, ("/p/a/1.png", "/p/a/2.png", "/p/b/1.png", "/p/b/st*r.png"))
    )


def test_patterns_without_a_match_or_a_place_say_so(site):
    """Each with its reason."""
    assert given(site.url("/p/*.gif")) == {
        site.url("/p/*.gif"): f"no object below {site.url('/p/')} matches this pattern"
    }
    assert list(given(site.url("/gone/*.gif")).values()) == [
        f"no object below {site.url('/gone/')} matches this pattern"
    ]
    (reason,) = given(site.url("/p/a/*.png"), with_folders=False).values()
    assert reason == "a pattern; expected one image for each label"


@pytest.mark.parametrize(
    ("path", "error", "folder"),
    [("/p/*.png", DataLayoutError, "/p/"), ("/p/*/a", DataNotFoundError, "/p/"), ("/[x]/1", DataNotFoundError, "/")],
)
def test_data_is_no_pattern(site, path, error, folder):
    """The message names the folder to give instead, also of files here."""
    with pytest.raises(
        error, match=rf"Patterns are not read as DATA, .*: give the folder {site.url(folder)}, or a table"
    ):
        scan(site.url(path))
    with pytest.raises(DataNotFoundError, match=r"No such data: .photos/.*give the folder photos, or a table"):
        scan("photos/*.jpg")


def test_folder_with_such_characters_is_a_folder(web, photos):
    """As DATA, too."""
    web.add_tree(photos, "/p[1]/")

    assert scan(web.url("/p[1]/")).digests == scan(photos).digests
    assert len(given(web.url("/p[1]/"))) == len(scan(photos))
