"""Texts of plots that are drawn with Pillow, in any script: without importing matplotlib, whose font is used where it is enough."""

import textwrap
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipeline.runs.plots.fonts import file_with, warn_of_boxes

FONT_PX = 20

Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)


def draw_text(text: str, size_px: int) -> Image.Image:
    """A text as a mask, white on black."""
    font = _font_for(text, size_px)
    left, _, right, _ = font.getbbox(text)
    ascent, descent = font.getmetrics()
    mask = Image.new("L", (max(1, int(right - left) + 2), ascent + descent), 0)
    ImageDraw.Draw(mask).text((1 - left, 0), text, 255, font)
    return mask


def put(image: Image.Image, mask: Image.Image, place: tuple[int, int], colour: Colour = BLACK) -> None:
    """Draw a mask with its upper left corner at this place."""
    image.paste(colour, place, mask)


def wrapped(title: str, width: int, size_px: int) -> list[str]:
    """The lines of a title that has this width, in pixels."""
    letters = max(10, int(width / (0.56 * size_px)))  # characters of mean width
    return [part for line in title.splitlines() for part in textwrap.wrap(line, letters)]


def shortened(name: str, longest: int) -> str:
    """A name as one line of at most so many characters."""
    plain = " ".join(name.split())
    return plain if len(plain) <= longest else f"{plain[: longest - 1]}…"


def check_letters(*texts: str) -> None:
    """Warn, once, of characters that no installed font has."""
    warn_of_boxes(_foreign("".join(texts)))


def _font_for(text: str, size_px: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, or the installed font that has the characters which that one lacks."""
    missing = _foreign(text)
    path = file_with(missing) if missing else None
    return _font(size_px) if path is None else ImageFont.truetype(path, size_px)


def _foreign(text: str) -> frozenset[str]:
    """The characters that DejaVu Sans lacks."""
    return frozenset(letter for letter in text if letter > "\xff" and letter.isprintable() and not _is_own(letter))


@cache
def _is_own(letter: str) -> bool:
    """Whether DejaVu Sans has a character: another one is drawn as the box of one that no font can have."""
    font = _font(FONT_PX)
    return bytes(font.getmask(letter)) != bytes(font.getmask("\U0010ffff"))


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings and which has most alphabets; found without importing matplotlib."""
    found = find_spec("matplotlib")
    folder = Path(found.origin).parent if found and found.origin else Path()
    return ImageFont.truetype(folder / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size_px)
