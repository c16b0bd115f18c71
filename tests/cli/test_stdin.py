"""What on standard input is a list of paths."""

import pytest

from pipeline.cli.stdin import paths_in
from tests.conftest import draw_photo


def test_each_line_is_a_path(tmp_path, monkeypatch):
    """One that exists, or that ends as an image does; empty lines are none, spaces belong to names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()

    assert paths_in(b"a 1.jpg\n\nscans\n") == ["a 1.jpg", "scans"]
    assert paths_in(b"scans\0line\nfeed.jpg\0") == ["scans", "line\nfeed.jpg"]
    assert paths_in(b"https://example.org/1.jpg") == ["https://example.org/1.jpg"]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"\0", b"path,label\n1.jpg,cat\n", b"1.jpg\nno such file\n", b"/9j/4AAQSkZJRg==", b"x" * 5000],
)
def test_other_content_is_that_of_one_image(content):
    """Whatever it is: the decoder says what is wrong with it."""
    assert paths_in(content) == []


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "gif", "webp", "tif", "ppm"])
def test_images_are_no_lists(kind, tmp_path):
    """Of any format."""
    assert paths_in(draw_photo(tmp_path / f"1.{kind}", (9, 200, 9), 1).read_bytes()) == []
