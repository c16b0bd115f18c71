"""HTML for notebooks."""

import base64
from html.parser import HTMLParser

import pytest

from pipeline.html import show_png, show_table

HOSTILE = ("<script>alert(1)</script>", '" onerror="alert(1)', "</table>", "&lt;b&gt;", "'", "猫")


class Page(HTMLParser):
    """Elements and texts of a page, as a browser reads them."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.attributes, self.texts = [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.texts.append(data)


def test_table_has_a_row_per_mapping():
    """Columns are in the order in which they first appear; missing values are empty cells."""
    page = Page(show_table([{"a": 1, "b": "x"}, {"a": 2.34567, "c": None}], caption="Three columns"))

    assert page.texts == ["Three columns", "a", "b", "c", "1", "x", "2.346"]
    assert page.elements.count("tr") == 3
    assert page.elements.count("td") == 6


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_stay_texts(text):
    """A name that looks like HTML adds no element and no attribute, wherever it stands."""
    page = Page(show_table([{text: text}], caption=text))

    assert page.elements == ["table", "caption", "thead", "tr", "th", "tbody", "tr", "td"]
    assert {name for name, _ in page.attributes} == {"scope", "style"}
    assert page.texts == [text] * 3


@pytest.mark.parametrize("text", HOSTILE)
def test_png_is_inside_the_page(text, tmp_path):
    """The image is its bytes in base64, and the alternative text is escaped."""
    (tmp_path / "plot.png").write_bytes(b"\x89PNG")
    page = Page(show_png(tmp_path / "plot.png", text))
    attributes = dict(page.attributes)

    assert page.elements == ["img"]
    assert attributes["alt"] == text
    assert base64.b64decode(attributes["src"].removeprefix("data:image/png;base64,")) == b"\x89PNG"
    assert set(attributes) == {"src", "alt", "style"}
