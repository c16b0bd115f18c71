"""Pages of thumbnails."""

import pytest

from pipeline.errors import SettingError
from pipeline.insight.page import Section, Thumbnails, card, check_page, figure, render_page, write_page


def test_names_stay_text(tmp_path):
    """A file, a class or a title may be called like HTML; names that are not Unicode can be written."""
    name = '<script>alert("x")</script>\udcff'
    section = Section("a", name, name, [card([figure(None, name, ())], name)])
    write_page(tmp_path / "new" / "page.html", render_page(name, name, [section, section], name))
    text = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")

    assert "<script" not in text
    assert "cannot be read" in text


def test_images_that_are_gone_have_no_thumbnail(photos):
    """Each is tried once, whatever the reason."""
    tried = []

    def read(row):
        tried.append(row)
        if row == 1:
            raise FileNotFoundError
        return [(photos / "test" / "red" / "red000.png").read_bytes, None, lambda: None, lambda: b"no image"][row]()

    found = Thumbnails(read)
    shown = [found[row] for row in (0, 1, 2, 3, 0, 1)]

    assert shown[0].startswith("data:image/jpeg;base64,")
    assert shown[1:4] == [None, None, None]
    assert tried == [0, 1, 2, 3]


def test_a_page_ends_with_html(tmp_path):
    """The table is beside it with another ending, and a folder is no page."""
    (tmp_path / "folder.html").mkdir()
    check_page(tmp_path / "new" / "page.html")
    for wrong in ("page.csv", "folder.html", "page"):
        with pytest.raises(SettingError, match=r"ends with \.html"):
            check_page(tmp_path / wrong)
