"""DATA that is a URL: it gives what the same files on this machine give."""

import os
import re
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.errors import DataLayoutError, DataNotFoundError, UnreachableDataError
from pipeline.files import _prefix
from pipeline.images.files.hashing import FileHashes
from pipeline.images.remote import kept, listing
from pipeline.images.remote.fetch import Version
from pipeline.images.remote.listing import Below
from pipeline.images.sources.far import sort_objects
from tests.calls import read as scan


def end_use():
    """Close what this process keeps, as its end does."""
    while kept._in_use:
        os.close(kept._in_use.popitem()[1])


def values(manifest):
    return manifest.names, manifest.digests, manifest.labels, manifest.splits, manifest.title


@pytest.fixture
def reading(tmp_path):
    return {"home": tmp_path / "home", "hashes": FileHashes(tmp_path / "hashes.sqlite")}


def test_folder_on_a_web_server_is_read_as_one_here(web, photos, reading):
    """The pages that list files give classes and splits; what systems leave behind and other files are counted."""
    web.add_tree(photos, f"/{photos.name}/")
    web.files |= {f"/{photos.name}/{name}": b"x" for name in ("notes.txt", ".DS_Store", "@eaDir/1.png", "labels.csv")}
    found = scan(web.url(f"/{photos.name}/"), **reading)

    assert values(found) == values(scan(photos))
    assert {entry.kind: entry.count for entry in found.ignored} == {
        ".txt": 1,
        ".csv": 1,
        "system files": 1,
        "system folders": 1,
    }
    assert found.source == web.url(f"/{photos.name}/")
    assert found.read(5) == scan(photos).read(5)


def test_archives_tables_and_arrays_are_read_as_files_here(web, photos, tmp_path, reading):
    """A zip, a packed tar, a Parquet file and arrays are the same data; paths of a table begin beside it."""
    here = tmp_path / "here"
    folder = scan(photos)
    archives = [shutil.make_archive(str(here / "data"), kind, photos) for kind in ("zip", "tar", "gztar")]
    said = {"label": list(folder.labels), "split": list(folder.splits)}
    pl.DataFrame({"image": [folder.read(row) for row in range(48)], **said}).write_parquet(here / "images.parquet")
    pl.DataFrame({"path": list(folder.names), **said}).write_csv(here / "table.csv")
    np.savez(here / "arrays.npz", x=np.arange(30 * 48, dtype=np.uint8).reshape(30, 4, 4, 3), y=np.arange(30) % 2)
    web.add_tree(here)
    web.add_tree(photos)

    for path in (*archives, here / "images.parquet", here / "table.csv"):
        found = scan(web.url(f"/{Path(path).name}"), **reading)
        assert (found.digests, found.labels, found.splits) == (folder.digests, folder.labels, folder.splits)
        assert found.read(30) == folder.read(30)
    assert scan(web.url("/arrays.npz"), **reading).digests == scan(here / "arrays.npz").digests


def test_kept_files_are_fetched_again_only_when_they_change(web, photos, tmp_path, reading):
    """The version is asked for, and a new one takes the place of the old one."""
    archive = shutil.make_archive(str(tmp_path / "data"), "zip", photos)
    web.files["/data.zip"] = Path(archive).read_bytes()
    url = web.url("/data.zip?X-Amz-Signature=5e5e")
    first = scan(url, **reading)
    assert (first.source, first.title) == (web.url("/data.zip"), "data")
    web.asked()
    scan(url, **reading)
    assert [method for method, _ in web.requests] == ["HEAD"]

    web.files["/data.zip"] = Path(shutil.make_archive(str(tmp_path / "new"), "zip", photos / "train")).read_bytes()
    assert len(scan(url, **reading)) == 24
    assert len(list((tmp_path / "home").rglob("*.zip"))) == 2, "this process uses the old one"


def test_kept_files_have_a_bound(web, tmp_path):
    """What was used least recently makes room; a file in use stays; one that is too large is refused with the option."""
    home = tmp_path / "home"
    for name in "abc":
        web.files[f"/{name}.npz"] = name.encode() * 1000
    for name in "abc":
        with pytest.raises(DataLayoutError, match=re.escape(web.url(f"/{name}.npz"))):  # there are no arrays in it
            scan(web.url(f"/{name}.npz"), home=home, spool_gb=2.5e-6)
        if name == "a":
            end_use()

    assert sorted(path.name for path in home.rglob("*.npz")) == ["b.npz", "c.npz"]
    assert len(list((home / "far").iterdir())) == 2
    assert (home / "far").stat().st_mode & 0o077 == 0, "a table may have signed URLs in it"
    with pytest.raises(DataLayoutError, match="Choose a larger --spool-gb"):
        scan(web.url("/a.npz"), home=home, spool_gb=1e-7)


def test_what_a_killed_download_left_is_removed(web, tmp_path):
    """The next download collects the hidden files of processes that are gone."""
    folder = tmp_path / "home" / "far" / "0" / "1"
    folder.mkdir(parents=True)
    debris = folder / f"{_prefix()}99999999-x{'0' * 12}-data.zip"
    debris.write_bytes(b"half")
    web.files["/data.npz"] = b"no arrays"
    with pytest.raises(DataLayoutError, match=f"{web.url('/data.npz')}"):
        scan(web.url("/data.npz"), home=tmp_path / "home")

    assert not debris.exists()


def test_hugging_face_folder_is_read_as_one_here(web, photos, tmp_path, reading):
    """Parquet files with the names of the hub, below a URL, are one data set with their splits."""
    folder = scan(photos)
    for split in ("train", "validation"):
        part = folder.split(split)
        rows = {"image": [part.read(row) for row in range(len(part))], "label": list(part.labels)}
        pl.DataFrame(rows).write_parquet(tmp_path / f"{split}-00000-of-00001.parquet")
    web.add_tree(tmp_path, "/set/")
    found = scan(web.url("/set/"), **reading)

    assert (found.splits.count("train"), found.splits.count("validation")) == (24, 12)
    assert found.title == "set"
    web.asked()
    scan(web.url("/set/"), **reading)


@pytest.mark.parametrize(
    ("path", "fault", "error", "words"),
    [
        ("/gone/", 404, DataNotFoundError, r"/gone/ cannot be read: it does not exist \(status 404\)"),
        ("/gone.zip", 404, DataNotFoundError, r"/gone.zip cannot be read: it does not exist"),
        (
            "/secret/",
            403,
            UnreachableDataError,
            r"access is denied \(status 403\). If the URL is signed, get a new one",
        ),
        ("/slow/", "stall", UnreachableDataError, r"the server fails or does not answer \(0 bytes came in . s\)"),
        ("/slow.zip", "stall", UnreachableDataError, r"the server fails or does not answer"),
        ("/bad.tar", "cut", UnreachableDataError, r"/bad.tar cannot be read: the server fails"),
        ("/1.png", None, DataLayoutError, r"/1.png is one image: give the URL of the folder"),
    ],
)
def test_data_that_cannot_be_fetched_is_an_error_with_the_cure(web, reading, path, fault, error, words):
    """What was asked for, what came, and what to do; no secret of the URL."""
    web.files["/bad.tar"] = b"x" * 1000
    web.faults[path] = [fault] * 20
    with pytest.raises(error, match=words) as raised:
        scan(web.url(path) + "?sig=5e5e5e", **reading)

    assert "5e5e" not in str(raised.value)


def test_pages_cannot_lead_elsewhere_or_on_without_end(web, photos, reading, monkeypatch):
    """Links to other servers, out of the folder and in circles are not followed, and the number of files has a bound."""
    web.add_tree(photos, "/p/")
    web.files["/private/1.png"] = b"x"
    page = b"".join(
        f'<a href="{link}">'.encode()
        for link in (
            "train/",
            "test/",
            "http://127.0.0.1:1/p/x.png",
            "//h/p/1.png",
            "../private/1.png",
            "/p/",
            "./",
            "file:///etc/passwd",
        )
    )
    web.files["/p/"] = page + b'<a href="validation/"><a href="..%2f..%2fprivate/1.png"><a href="a%00b.png">'
    found = scan(web.url("/p/"), **reading)

    assert found.digests == scan(photos).digests
    assert not [path for path in web.asked() if "private" in path]
    assert len(found.skipped) == 2
    monkeypatch.setattr(listing, "MOST_OBJECTS", 20)
    with pytest.raises(DataLayoutError, match="more than 20 files"):
        scan(web.url("/p/"), **reading)


def test_objects_are_sorted_by_their_names():
    """Names that are no paths are skipped; objects without an ending are images where nothing else is one."""
    below = Below()
    for path in (
        "cats/1",
        "cats/_SUCCESS",
        "dogs/2",
        "notes.md",
        "old/",
        "/abs.png",
        "a/../b.png",
        "a//b.png",
        "a\x1b.png",
    ):
        below.add(path, f"s3://b/{path}", Version(0 if path.endswith("SUCCESS") else 5))
    found = sort_objects(below)

    assert found.names == ["cats/1", "dogs/2"]
    assert [entry.path for entry in found.skipped] == ["/abs.png", "a/../b.png", "a//b.png", "a\\x1b.png"]
    below.add("cats/3.png", "s3://b/cats/3.png", Version(5))
    assert sort_objects(below).names == ["cats/3.png"]
