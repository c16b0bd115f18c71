"""The checks that the tests of pages use find errors and requests."""

import pytest

from tests import browser as module
from tests.browser import assert_quiet, open_page, require_browser


@pytest.fixture
def open_text(browser, tmp_path):
    def open_it(text):
        (tmp_path / "page.html").write_text(f"<!doctype html><meta charset=utf-8><link rel=icon href=data:,>{text}")
        open_page(browser, (tmp_path / "page.html").as_uri())

    return open_it


def test_quiet_page_is_quiet(open_text, browser):
    """A page that does nothing wrong passes, also after one that did."""
    open_text("<script>throw new Error('first')</script>")
    open_text("<p>nothing</p><script>console.log('a word')</script>")

    assert_quiet(browser)


@pytest.mark.parametrize(
    "wrong",
    [
        "<script>throw new Error('broken')</script>",
        "<script>console.error('broken')</script>",
        "<img src='http://elsewhere.invalid/x.png'>",
        "<meta http-equiv='Content-Security-Policy' content=\"img-src 'none'\"><img src='http://elsewhere.invalid/x.png'>",
        "<img src='missing.png'>",
    ],
)
def test_wrong_page_is_not_quiet(wrong, open_text, browser):
    """Errors, requests to other machines, blocked or not, and missing files are found."""
    open_text(wrong)

    with pytest.raises(AssertionError):
        assert_quiet(browser)


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_missing_browser_is_named(ci, outcome, monkeypatch, tmp_path):
    """Without Chromium tests are skipped, and fail in CI; both messages say how to install it."""
    monkeypatch.setattr(module, "CHROMIUM", tmp_path / "chromium")
    monkeypatch.setenv("CI", ci)

    with pytest.raises(outcome, match="apt-get install -y chromium chromium-driver"):
        require_browser()
