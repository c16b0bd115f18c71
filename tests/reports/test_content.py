"""What is gathered for a page, from runs that are written without training."""

import base64
import hashlib
import json
import shutil

import numpy as np
import pytest

from pipeline.images.remote import fetch
from pipeline.images.remote.fetch import Patience
from pipeline.reports import content as module
from pipeline.reports.content import gather
from pipeline.runs.folder import open_run
from pipeline.runs.listing import group_runs
from pipeline.settings import Settings
from tests.calls import scan
from tests.conftest import draw_photo
from tests.reports.samples import make_run
from tests.servers import serve_web


@pytest.fixture
def settings(tmp_path):
    return Settings.of(cache=tmp_path / "cache", runs=tmp_path / "runs")


@pytest.fixture
def make(tmp_path):
    """A function that writes a run on three images of a folder, or on fewer."""
    for number in range(3):
        draw_photo(tmp_path / "photos" / f"{number}.png", (200, 40, 40), number)

    def make_it(name, wrong=(), num_images=3, **info):
        rows = [
            (
                f"{number}.png",
                "test",
                "a",
                hashlib.sha256((tmp_path / "photos" / f"{number}.png").read_bytes()).digest(),
                np.array([0.2, 0.8] if number in wrong else [0.7, 0.3]),
            )
            for number in range(num_images)
        ]
        return make_run(tmp_path / "runs", name, rows=rows, root=str(tmp_path / "photos"), **info)

    return make_it


def gather_all(runs, settings):
    return gather(group_runs(runs), settings, near=0.98, with_umap=False)


def test_runs_on_the_same_images_share_a_gallery_and_a_map(make, settings):
    """Other features are another map, and other labels are another gallery."""
    runs = [
        make("first", data_digest="x", validation=0.9),
        make("second", data_digest="x", wrong=[1], validation=0.8),
        make("other-features", data_digest="x", fingerprint="e" * 64, validation=0.7),
        make("other-classes", data_digest="x", classes=("a", "c"), validation=0.6),
    ]
    content = gather_all(runs, settings)

    assert [(section["gallery"], section["map"]) for section in content.sections] == [(0, 0), (0, 0), (0, 1), (1, 2)]
    assert [len(gallery.runs) for gallery in content.galleries] == [3, 1]
    assert len(content.maps) == 3


def test_thumbnails_are_of_the_images(make, settings):
    """Small JPEG files; an image that has changed or is gone has none, and a gallery without any says why."""
    run = make("mine")
    folder = settings.paths.runs.parent / "photos"
    draw_photo(folder / "0.png", (40, 60, 200), 99)
    (folder / "1.png").unlink()
    [gallery] = gather_all([run], settings).galleries

    assert list(gallery.thumbnails) == [2]
    assert base64.b64decode(gallery.thumbnails[2]).startswith(b"\xff\xd8")
    assert gallery.note is None
    (folder / "2.png").unlink()
    [gallery] = gather_all([run], settings).galleries
    assert gallery.thumbnails == {}
    assert gallery.note.startswith(
        "None of the images is where it was, with the same content. `report --data DATA` shows"
    )


def test_thumbnails_are_capped(make, settings, monkeypatch):
    """Mistakes come first, and two galleries share the maximum."""
    monkeypatch.setattr(module, "MAX_THUMBNAILS", 2)
    runs = [make("mine", wrong=[2], data_digest="x"), make("other", classes=("a", "c"), wrong=[1], data_digest="y")]

    assert [list(gallery.thumbnails) for gallery in gather_all(runs, settings).galleries] == [[2], [1]]


def test_thumbnails_that_one_gallery_does_not_need_are_for_the_other(make, settings, monkeypatch):
    """The page knows each gallery's share, to say why an image is missing."""
    monkeypatch.setattr(module, "MAX_THUMBNAILS", 3)
    runs = [make("mine", data_digest="x"), make("other", classes=("a", "c"), num_images=1, data_digest="y")]
    large, small = gather_all(runs, settings).galleries

    assert [(len(each.thumbnails), each.as_data()["limit"]) for each in (large, small)] == [(2, 2), (1, 1)]


def test_only_the_best_runs_have_details(make, settings, monkeypatch):
    """The best run of each task first; the others have a summary."""
    monkeypatch.setattr(module, "MAX_DETAILED", 2)
    runs = [
        make("best", data_digest="x", validation=0.9),
        make("second", data_digest="x", validation=0.8),
        make("elsewhere", data_digest="y", validation=0.1),
    ]
    sections = gather_all(runs, settings).sections

    assert [section["name"] for section in sections] == ["best", "second", "elsewhere"]
    assert [section["name"] for section in sections if "gallery" in section] == ["best", "elsewhere"]


def test_run_without_predictions_has_a_summary(make, settings):
    """Runs of the first versions have no predictions.csv."""
    run = make("mine")
    (run.path / "predictions.csv").unlink()
    content = gather_all([run], settings)

    assert content.sections[0]["name"] == "mine"
    assert "gallery" not in content.sections[0]
    assert content.galleries == content.maps == []


def test_named_images_are_shown_wherever_they_are(make, settings, tmp_path):
    """Data that was moved, as a folder or as an archive."""
    run = make("mine")
    moved = (tmp_path / "photos").rename(tmp_path / "moved")
    for data in (moved, shutil.make_archive(str(tmp_path / "packed"), "zip", moved)):
        [gallery] = gather(group_runs([run]), settings, near=0.98, with_umap=False, data=data).galleries

        assert (sorted(gallery.thumbnails), gallery.note) == ([0, 1, 2], None)


@pytest.fixture
def far(make, settings, tmp_path):
    """A web server with the images, and a run on them as they are there."""
    with serve_web() as web:
        web.add_tree(tmp_path / "photos", "/p/")
        run = make("mine")
        shutil.rmtree(tmp_path / "photos")
        told = json.loads((run.path / "run.json").read_text())
        (run.path / "run.json").write_text(json.dumps(told | {"root": None, "source": web.url("/p/")}))
        yield web, open_run("mine", settings.paths.runs)


def test_far_images_are_fetched_only_from_where_they_were_read_before(far, settings):
    """No request reaches a server that this machine has never asked; the note says how to show the images."""
    web, run = far
    [unknown] = gather_all([run], settings).galleries
    assert (unknown.thumbnails, web.requests) == ({}, [])
    assert "are at http" in unknown.note
    assert "--data DATA" in unknown.note

    scan(web.url("/p/"), settings)
    web.asked()
    [known] = gather_all([run], settings).galleries
    assert (sorted(known.thumbnails), known.note) == ([0, 1, 2], None)
    assert sorted(web.asked()) == [f"/p/{number}.png" for number in range(3)], "each once, and no page"


def test_server_that_denies_is_named(far, settings, monkeypatch):
    """As it does when a URL was signed: the signature is not stored."""
    monkeypatch.setattr(fetch, "PATIENCE", Patience(tries=1, failures=2))
    web, run = far
    scan(web.url("/p/"), settings)
    web.faults["*"] = [403]
    [gallery] = gather_all([run], settings).galleries

    assert gallery.thumbnails == {}
    assert "access is denied (status 403)" in gallery.note
    assert "--data DATA" in gallery.note
