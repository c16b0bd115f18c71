"""Images of runs on URLs: where this machine has read them before."""

import hashlib
import shutil
from pathlib import Path

import polars as pl
import pytest

from pipeline.bases.files import home_folder
from pipeline.images.remote.kept import find_kept
from pipeline.runs.images import find_images, name_images
from pipeline.settings import Settings
from tests.calls import scan
from tests.conftest import draw_photo, draw_tree
from tests.runs.samples import make_run
from tests.servers import serve_web


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("BOTTLENECK_HOME", str(tmp_path / "home"))
    return Settings.of(cache=tmp_path / "cache", runs=tmp_path / "runs", progress=False)


@pytest.fixture
def tree(tmp_path):
    return draw_tree(tmp_path / "tree", {"": 3})


@pytest.fixture
def web():
    with serve_web() as served:
        yield served


def find(manifest, settings, source=None):
    """The images of a run on this manifest, whose digests are remembered."""
    run = make_run(settings.paths.runs, None, root=None, source=source or manifest.source)
    return find_images(run, manifest.names, manifest.digests, settings)


def readable(found, manifest):
    """How many images are found; each has its own bytes."""
    read = {digest: data for digest in manifest.digests if (data := found.read(digest)) is not None}
    assert all(hashlib.sha256(data).digest() == digest for digest, data in read.items())
    return len(read)


def test_folder_with_odd_names(web, tree, settings):
    """However the server quotes them on its pages."""
    for number, name in enumerate(("a b", "100%", "q(1)", "ü", "star*", "br[1]")):
        draw_photo(tree / "red" / f"{name}.png", (1, 2, 3), number)
    web.add_tree(tree, "/p/")
    manifest = scan(web.url("/p/"), settings)

    assert readable(find(manifest, settings), manifest) == len(manifest) == 12


def test_tables_with_urls_and_files(web, tree, settings, tmp_path):
    """A table here may have both; one at a URL has names below it."""
    web.add_tree(tree)
    here = tmp_path / "mixed.csv"
    rows = [("tree/red/red000.png", "red"), (web.url("/blue/blue000.png"), "blue")]
    pl.DataFrame(rows, schema=["path", "label"], orient="row").write_csv(here)
    there = tmp_path / "there.csv"
    pl.DataFrame([("red/red001.png", "red"), ("blue/blue001.png", "blue")], ["path", "label"], orient="row").write_csv(
        there
    )
    web.files["/there.csv"] = there.read_bytes()

    for data in (here, web.url("/there.csv")):
        manifest = scan(data, settings)
        web.asked()
        found = find(manifest, settings)
        assert web.requests == []
        assert readable(found, manifest) == 2


def test_archive_that_is_kept_is_read_without_a_server(web, tree, settings, tmp_path):
    """A signature is not needed again, either."""
    web.files["/tree.zip"] = Path(shutil.make_archive(str(tmp_path / "tree"), "zip", tree)).read_bytes()
    manifest = scan(web.url("/tree.zip?X-Amz-Signature=5e5e"), settings)
    web.asked()

    assert readable(find(manifest, settings), manifest) == 6
    assert web.requests == []
    assert find_kept(web.url("/tree.zip"), home_folder()).name == "tree.zip"
    assert find_kept(web.url("/other.zip"), home_folder()) is None


def test_images_of_others_are_not_asked_for(web, tree, settings):
    """A run that names another address, or another image at a known one, makes no request."""
    web.add_tree(tree, "/p/")
    manifest = scan(web.url("/p/"), settings)
    web.asked()
    elsewhere = find(manifest, settings, source=web.url("/q/"))
    run = make_run(settings.paths.runs, None, root=None, source=web.url("/p/"))
    other = find_images(run, manifest.names, [hashlib.sha256(bytes([n])).digest() for n in range(6)], settings)

    assert "this machine has not read them from there" in elsewhere.note
    assert other.note == elsewhere.note.replace("/q/", "/p/")
    assert web.requests == []


def test_images_that_the_user_names(web, tree, settings):
    """A URL, which may be signed, a folder or a table."""
    web.add_tree(tree, "/p/")
    manifest = scan(tree, settings)

    for data in (web.url("/p/?sig=5e5e"), tree, str(tree)):
        assert readable(name_images(data, settings), manifest) == 6
