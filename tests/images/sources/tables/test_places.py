"""Tables whose images are elsewhere."""

import pandas as pd
import polars as pl
import pytest

from pipeline.errors import DataLayoutError
from pipeline.images.files.hashing import FileHashes
from pipeline.images.sources.tables.places import UrlLocator
from tests.calls import read as scan


def rows_of(folder, names):
    return {"path": list(names), "label": list(folder.labels), "split": list(folder.splits)}


def test_table_may_name_files_and_urls(web, photos, tmp_path):
    """Some images are here and some on a server, in the table's order; a second scan fetches nothing."""
    web.add_tree(photos)
    folder = scan(photos)
    names = [web.url(f"/{name}") if row % 2 else name for row, name in enumerate(folder.names)]
    rows = rows_of(folder, names)
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv")
    pd.DataFrame(rows).rename(columns={"path": "image_url"}).to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")

    for data in (tmp_path / "a.csv", tmp_path / "a.jsonl", tmp_path / "a.parquet", pd.DataFrame(rows)):
        found = scan(data, root=photos, hashes=FileHashes(tmp_path / "hashes.sqlite"))
        assert (found.digests, found.labels, found.splits) == (folder.digests, folder.labels, folder.splits)
        assert [found.read(row) for row in (6, 7)] == [folder.read(row) for row in (6, 7)]
        found.announce(7)
        found.announce(6)
    assert len(web.asked()) == 24 + 3, "and one to read an image that this process has not fetched"


def test_relative_paths_begin_at_the_root(web, photos, tmp_path):
    """A URL may be the root of a table here."""
    web.add_tree(photos, "/a b/")
    folder = scan(photos)
    pd.DataFrame(rows_of(folder, folder.names)).to_csv(tmp_path / "a.csv")

    assert scan(tmp_path / "a.csv", root=web.url("/a%20b")).digests == folder.digests


def test_secrets_of_urls_are_not_shown(web, photos, tmp_path):
    """Names, skipped images and the representation have no signatures."""
    web.add_tree(photos)
    folder = scan(photos)
    urls = [f"{web.url('/')}{name}?w=9&X-Amz-Signature=5e5e" for name in folder.names]
    pd.DataFrame(rows_of(folder, [*urls[:-1], web.url("/gone.png?sig=5e5e")])).to_csv(tmp_path / "a.csv")
    found = scan(tmp_path / "a.csv")

    assert found.names[0] == web.url(f"/{folder.names[0]}?w=9")
    assert [entry.path for entry in found.skipped] == [web.url("/gone.png")]
    assert found.skipped[0].reason == "cannot be read: it does not exist, or not any more (status 404)"
    assert "5e5e" not in repr(found) + str(found.skipped) + repr(found.images)


def test_images_that_are_all_gone_are_an_error(web, photos, tmp_path):
    """No image at all, or none of a class, is said at once, with the first reason."""
    web.add_tree(photos)
    folder = scan(photos)
    gone = [name if "red" in name else f"x/{name}" for name in folder.names]
    for names, words in (
        (gone, "No image of the class 'blue' can be read"),
        ([f"x/{n}" for n in gone], "None of the 48 paths"),
    ):
        pd.DataFrame(rows_of(folder, names)).to_csv(tmp_path / "a.csv")
        with pytest.raises(DataLayoutError, match=words):
            scan(tmp_path / "a.csv", root=web.url())


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("cats/1.jpg", ("https://h/data/cats/1.jpg", None)),
        ("cats\\1 a.jpg", ("https://h/data/cats/1%20a.jpg", None)),
        ("https://other/1.jpg", ("https://other/1.jpg", None)),
        (" ", ("", "empty path")),
        ("../1.jpg", ("../1.jpg", "leaves the folder by '..'")),
        ("/etc/passwd", ("/etc/passwd", "is a path on a machine")),
        ("C:\\1.jpg", ("C:\\1.jpg", "is a path on a machine")),
        ("file:///etc/passwd", ("file:///etc/passwd", "is a path on a machine")),
        ("ftp://h/1.jpg", ("ftp://h/1.jpg", "the protocol ftp:// is not read")),
        ("a\x00b", ("a\x00b", "not a path")),
    ],
)
def test_table_from_elsewhere_names_nothing_on_this_machine(given, found):
    """Paths of a table at a URL lead below that URL, or to other URLs, and never to files here."""
    name, reason = UrlLocator("https://h/data").locate(given)

    assert (name, reason and reason[: len(found[1] or "")]) == found
