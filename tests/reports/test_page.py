"""The page as text; how it behaves in a browser is in test_browser."""

import base64
import hashlib
import json
import re

import pytest

from pipeline.errors import DamagedStoreError
from pipeline.reports.page import embed, render

EVIL = "</script><!--<script>&\u2028"


def test_embedded_json_ends_no_script():
    """Any text comes back unchanged, without a character that has a meaning in HTML."""
    text = embed({"name": EVIL, EVIL: [1, None]})

    assert json.loads(text) == {"name": EVIL, EVIL: [1, None]}
    assert not set(text) & set("<>&")


def test_nan_is_refused():
    """NaN is not JSON, and would leave an empty page."""
    with pytest.raises(DamagedStoreError, match="not finite"):
        embed({"loss": float("nan")})


def test_page_allows_its_own_script_and_style_alone():
    """The policy names the hashes of the one style and the one script, images inside the page, and nothing else."""
    page = render({"title": EVIL, "answer": EVIL, "caution": EVIL, "x": EVIL})
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1]
    [style] = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    [script] = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (style, script)]

    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{hashes[0]}'",
        f"script-src 'sha256-{hashes[1]}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert page.count("<script") == page.count("</script>") == 2
    assert "<!--" not in page


def test_page_names_no_address():
    """Nothing in it would send a request; the namespace of SVG is only a name."""
    page = render({"title": "t", "answer": "a", "caution": ""}).replace("http://www.w3.org/2000/svg", "")

    assert not re.search(r"https?:|[\"'(]//\w|@import|url\(|innerHTML|eval\(", page)
