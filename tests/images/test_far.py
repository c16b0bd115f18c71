"""Images that are given by URLs."""

import shutil
from pathlib import Path

import pytest

from pipeline.errors import DataNotFoundError
from pipeline.images.files.hashing import FileHashes
from pipeline.images.given import read_given
from pipeline.images.sources.reading import Reading
from tests.calls import read as scan


@pytest.fixture
def read(tmp_path):
    def read_urls(given, **keywords):
        return read_given(given, FileHashes(), reading=Reading(home=tmp_path / "home"), **keywords)

    return read_urls


def test_urls_and_files_may_be_given_together(web, photos, read):
    """Names are as given, without signatures, in the order given; what cannot be fetched has a reason."""
    web.add_tree(photos)
    image = photos / "test/red/red000.png"
    url = web.url("/test/red/red001.png")
    web.files["/show"] = image.read_bytes()
    given = read(
        [f"{url}?sig=5e5e", image, web.url("/gone.png"), "ftp://h/1.png", web.url("/show?id=7"), f"{url}?sig=5e5e"]
    )

    assert given.names == (url, str(image), web.url("/gone.png"), "ftp://h/1.png", web.url("/show?id=7"), url)
    assert {index: reason[:14] for index, reason in given.unread(given.manifest).items()} == {
        2: "cannot be read",
        3: "the protocol f",
    }
    assert given.manifest.read(0) == given.manifest.read(3) == (photos / "test/red/red001.png").read_bytes()
    assert given.manifest.read(2) == image.read_bytes()
    given.manifest.announce(0)
    assert sorted(web.asked()) == ["/gone.png", "/show", "/test/red/red001.png"]


def test_url_of_many_images_gives_all_of_them(web, photos, tmp_path, read):
    """A folder, an archive and a table at URLs are read as those here, with the URL in the names."""
    folder = scan(photos)
    web.add_tree(photos, "/p/")
    archive = Path(shutil.make_archive(str(tmp_path / "p"), "zip", photos))
    web.files["/p.zip"] = archive.read_bytes()
    web.files["/table.csv"] = ("path\n" + "".join(f"p/{name}\n" for name in folder.names)).encode()

    for path, beside in (("/p/", "/p/"), ("/p.zip", "/p.zip/")):
        given = read(web.url(path) + "?sig=5e5e")
        assert given.names == tuple(web.url(f"{beside}{name}") for name in folder.names)
        assert given.manifest.digests == folder.digests
        assert given.manifest.read(7) == folder.read(7)
    assert read(web.url("/table.csv")).manifest.digests == folder.digests


def test_many_images_are_refused_where_one_is_expected(web, photos, read):
    """For each label one image is expected."""
    web.add_tree(photos, "/p/")
    web.files["/t.csv"] = b"path\n1.png\n"

    given = read([web.url("/p/"), web.url("/t.csv")], with_folders=False)
    assert given.unread(given.manifest) == {
        0: "a folder; expected one image for each label",
        1: "a table; expected one image for each label",
    }


def test_missing_data_sets_are_named(web, read):
    """A folder that is not there is an error; an archive that is not there is an image that cannot be read."""
    with pytest.raises(DataNotFoundError, match="it does not exist"):
        read(web.url("/gone/"))

    given = read(web.url("/gone.zip"))
    assert "gone.zip cannot be read: it does not exist" in given.unread(given.manifest)[0]
