"""The page itself: data, styles and scripts in one file that opens from disk and sends no request."""

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from pipeline.errors import DamagedStoreError
from pipeline.files import naming_errors

_SCRIPTS = (
    *(
        "dom",
        "table",
        "chart",
        "charts",
        "explore",
        "images",
        "novelty",
        "decision",
        "confusion",
        "labels",
        "numbers",
        "tasks",
    ),
    *("map", "run", "page"),
)
"""In the order in which they depend on each other; together they are one function."""


def render(data: Mapping[str, Any]) -> str:
    """The HTML of a page.

    The scripts build it from the data by setting text, never by reading HTML, so names of files and classes stay text.

    Args:
        data: Plain values; `title`, `answer` and `caution` are texts.
    """
    style = _read("page.css")
    script = f'"use strict";\n(() => {{\n{"".join(_read(f"{name}.js") for name in _SCRIPTS)}}})();\n'
    return Template(_read("page.html")).substitute(
        title=html.escape(data["title"]),
        answer=html.escape(data["answer"]),
        caution=html.escape(data["caution"]),
        policy=_policy(style, script),
        style=style,
        script=script,
        data=embed(data),
    )


def embed(data: Mapping[str, Any]) -> str:
    """JSON that cannot end a script element or open a comment in it, for any texts.

    Raises:
        DamagedStoreError: A number is NaN or infinite.
    """
    try:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise DamagedStoreError(f"A run of this page holds a number that is not finite: {error}.") from error
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _policy(style: str, script: str) -> str:
    """Allows only this style and this script, by their hashes, and images inside the page: no network, no foreign code."""
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _read(name: str) -> str:
    path = Path(str(files(__package__) / "static" / name))
    with naming_errors(path):
        return path.read_text(encoding="utf-8")
