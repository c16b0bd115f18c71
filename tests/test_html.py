"""HTML for notebooks."""

import base64
from html.parser import HTMLParser

import pytest

from pipeline.html import Listing, show_facts, show_png, show_table

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

    assert page.texts == ["Three columns", "a", "b", "c", "1", "x", "2.35"]
    assert page.elements.count("tr") == 3
    assert page.elements.count("td") == 6


def test_numbers_of_a_column_have_the_same_decimals():
    """Shares have four, seconds two, large numbers none; numbers and their heading are to the right, texts to the left."""
    rows = [{"share": 0.5, "seconds": 0.25, "bytes": 12345, "n": 1e6, "text": "a"}]
    page = Page(show_table([*rows, {"share": 1.0, "seconds": 12.0, "n": None}]))

    assert page.texts[5:] == ["0.5000", "0.25", "12,345", "1,000,000", "a", "1.0000", "12.00"]
    sides = [value for name, value in page.attributes if name == "style"]
    assert sides == [f"text-align: {side}" for side in ("right", "right", "right", "right", "left")] * 3


def test_numbers_as_text_are_to_the_right():
    """`+0.1` is a number; a class that is called 7 is a name."""
    page = Page(show_table([{"gap": "+0.1", "class": "7", "size": "150 px"}, {"gap": "1,200", "class": "8"}]))
    sides = [value for name, value in page.attributes if name == "style"]

    assert sides == [f"text-align: {side}" for side in ("right", "left", "left")] * 3


def test_a_listing_is_a_table():
    """One row per entry in a notebook; printed, it is short."""

    class Store:
        def as_row(self):
            return {"store": "<b>", "rows": 4}

    page = Page(Listing([Store()])._repr_html_())

    assert page.texts == ["store", "rows", "<b>", "4"]
    assert repr(Listing([Store()] * 2)) == "<2 entries: <b>, <b>>"
    assert repr(Listing([Store()] * 1000)) == "<1000 entries: <b>, <b>, <b>, <b>, <b>, <b>, ...>"
    assert Listing()._repr_html_() == "<p>None.</p>"
    assert Page(show_facts({"rows": 4, "seconds": 0.25})).texts == ["rows", "4", "seconds", "0.2500"]


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
