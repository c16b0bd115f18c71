"""Pages of thumbnails: one file that opens from disk, runs no script and sends no request."""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from pathlib import Path

from pipeline.errors import SettingError, UnreadableImageError
from pipeline.files import naming_errors, replacing
from pipeline.images.decoding.decoder import make_thumbnail
from pipeline.runs.naming import check_target

_THUMBNAIL_PX = 112


@dataclass
class Thumbnails:
    """Small JPEGs of images, each made once."""

    read: Callable[[int], bytes | None]
    """The bytes of an image; None, or an OSError, if it is gone."""

    made: dict[int, str | None] = field(default_factory=dict)
    """`data:` addresses by row; None for images that cannot be read."""

    def __getitem__(self, row: int) -> str | None:
        if row not in self.made:
            self.made[row] = self._make(row)
        return self.made[row]

    def _make(self, row: int) -> str | None:
        try:
            data = self.read(row)
            small = None if data is None else make_thumbnail(data, _THUMBNAIL_PX)
        except (OSError, UnreadableImageError):
            return None
        return None if small is None else f"data:image/jpeg;base64,{base64.b64encode(small).decode()}"


@dataclass(frozen=True)
class Section:
    """A part of a page."""

    name: str
    """For links inside the page."""

    title: str
    note: str
    cards: Sequence[str]
    """HTML of each."""

    kind: str = ""
    """`narrow` for cards of two images, `single` for those of one."""

    def as_html(self) -> str:
        """The section as HTML."""
        body = f'<ul class="cards {self.kind}">{"".join(self.cards)}</ul>' if self.cards else ""
        return (
            f'<section id="{self.name}"><h2>{escape(self.title)}</h2>'
            f'<p class="note">{escape(self.note)}</p>{body}</section>'
        )


def render_page(title: str, answer: str, sections: Iterable[Section], footer: str) -> str:
    """A page as HTML; titles and texts are plain."""
    style, parts = _style(), list(sections)
    links = "".join(f'<a href="#{part.name}">{escape(part.title)}</a>' for part in parts)
    policy = f"default-src 'none'; style-src '{_hash(style)}'; img-src data:; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body>"
        f'<header><h1>{escape(title)}</h1><p class="answer">{escape(answer)}</p>'
        f"{f'<nav>{links}</nav>' if len(parts) > 1 else ''}</header>"
        f"<main>{''.join(part.as_html() for part in parts)}</main><footer>{escape(footer)}</footer></body></html>\n"
    )


def figure(thumbnail: str | None, name: str, lines: Iterable[str], *, is_first: bool = False) -> str:
    """One image with lines below it.

    Args:
        thumbnail: Its `data:` address; None: it cannot be read.
        name: Its path.
        lines: HTML.
        is_first: It is the one that the others are compared with.
    """
    image = (
        f'<img src="{thumbnail}" alt="{escape(name)}" loading="lazy">'
        if thumbnail
        else '<span class="absent">cannot be read</span>'
    )
    below = "".join(f'<span class="line">{line}</span>' for line in lines)
    kind = ' class="first"' if is_first else ""
    shown = escape(name.rsplit("/", 1)[-1])
    return f'<figure{kind}>{image}{below}<span class="file" title="{escape(name)}">{shown}</span></figure>'


def name_in_bold(name: str) -> str:
    """The name of a class, as HTML; a long one is cut on the page, and is whole under the pointer."""
    return f'<b title="{escape(name)}">{escape(name)}</b>'


def card(figures: Iterable[str], text: str = "", last: str = "") -> str:
    """Images side by side, with a plain text below, and HTML after it."""
    below = f"<p>{escape(text)}</p>" if text else ""
    return f'<li><div class="side">{"".join(figures)}</div>{below}{last}</li>'


def more_like_this(figures: Iterable[str]) -> str:
    """Images that are shown when `More like this` is pressed."""
    return f'<details><summary>More like this</summary><div class="side">{"".join(figures)}</div></details>'


def check_page(path: Path) -> None:
    """Check that a page can be written, before any work is done for it.

    Raises:
        SettingError: Its name does not end with .html, or its folder cannot be written.
    """
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
        raise SettingError(f"The page is a file that ends with .html. Received: {path}. Choose another --out.")
    check_target(path, "--out")


def write_page(path: Path, text: str) -> None:
    """Write a page; the file is complete whenever its name exists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming_errors(path), replacing(path) as beside:
        # A path that is not Unicode has characters that UTF-8 cannot encode.
        beside.write_text(text, encoding="utf-8", errors="replace")


def _style() -> str:
    path = Path(str(files(__package__) / "static" / "page.css"))
    with naming_errors(path):
        return path.read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
