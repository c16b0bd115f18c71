"""The plot of a confusion matrix, drawn with Pillow: a linear head on a warm store takes less time than the import of matplotlib.

From left to right: names of the true classes, the grid, and a colour bar; above them the title, below them the predicted classes.
"""

import textwrap
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipeline.files import replacing
from pipeline.runs.plots.fonts import file_with, warn_of_boxes

_FONT_PX, _MARGIN = 20, 14
_MAX_GRID_PX, _SMALLEST_FONT_PX = 1450, 9
_LONGEST_NAME = 18
_MAX_NUMBERED = 20
"""With more classes, the cells show no numbers."""

# The colour map "Blues" of ColorBrewer (colorbrewer2.org), from 0 to 1.
_BLUES = ("f7fbff", "deebf7", "c6dbef", "9ecae1", "6baed6", "4292c6", "2171b5", "08519c", "08306b")

Colour = tuple[int, int, int]
_BLACK: Colour = (0, 0, 0)


def draw_confusion(path: Path, confusion: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> None:
    """Numbers of images, true classes in rows, shaded by their share of the row; above 20 classes without numbers."""
    warn_of_boxes(_foreign("".join((title, *classes))))
    cell = min(_MAX_GRID_PX, 240 + 62 * len(classes)) // len(classes)
    grid = cell * len(classes)
    names = [_shortened(name) for name in classes]
    small = max(_SMALLEST_FONT_PX, min(_FONT_PX - 2, cell - 2))
    rows = [_text(name, small) for name in names]
    tilted = max(row.width for row in rows) > cell - _MARGIN // 2
    columns = [row.rotate(45, expand=True, fillcolor=0) if tilted else row for row in rows]
    left = max(row.width for row in rows) + _FONT_PX + 3 * _MARGIN
    bottom = max(column.height for column in columns) + _FONT_PX + 3 * _MARGIN
    width = left + grid + 7 * _FONT_PX
    lines = [_text(line, _FONT_PX + 2) for line in _wrapped(title, width - 2 * _MARGIN)]
    top = sum(line.height for line in lines) + 2 * _MARGIN
    image = Image.new("RGB", (width, top + grid + bottom), "white")
    y = _MARGIN
    for line in lines:
        _put(image, line, ((width - line.width) // 2, y))
        y += line.height
    _fill_grid(image, confusion, (left, top), cell)
    for number, (row, column) in enumerate(zip(rows, columns, strict=True)):
        middle = number * cell + cell // 2
        _put(image, row, (left - row.width - _MARGIN // 2, top + middle - row.height // 2))
        shift = column.width - row.height // 2 if tilted else column.width // 2  # a tilted name ends below its column
        _put(image, column, (max(0, left + middle - shift), top + grid + _MARGIN // 2))
    predicted, true = _text("predicted", _FONT_PX), _text("true", _FONT_PX).rotate(90, expand=True)
    _put(image, predicted, (left + (grid - predicted.width) // 2, image.height - predicted.height - _MARGIN // 2))
    _put(image, true, (_MARGIN // 2, top + (grid - true.height) // 2))
    _draw_bar(image, (left + grid + _FONT_PX, top), grid)
    with replacing(path) as beside:
        image.save(beside, "PNG")


def _fill_grid(image: Image.Image, confusion: Sequence[Sequence[int]], corner: tuple[int, int], cell: int) -> None:
    draw, (left, top) = ImageDraw.Draw(image), corner
    for row, counts in enumerate(confusion):
        for column, count in enumerate(counts):
            share = count / max(1, sum(counts))
            x, y = left + column * cell, top + row * cell
            draw.rectangle((x, y, x + cell - 1, y + cell - 1), _blue(share))
            if len(counts) <= _MAX_NUMBERED:
                number = _text(str(count), min(_FONT_PX, cell // 2))
                place = (x + (cell - number.width) // 2, y + (cell - number.height) // 2)
                _put(image, number, place, (255, 255, 255) if share > 0.55 else _BLACK)
    side = cell * len(confusion)
    draw.rectangle((left, top, left + side, top + side), outline=_BLACK)


def _draw_bar(image: Image.Image, corner: tuple[int, int], height: int) -> None:
    """The colours of the shares from 0 to 1."""
    draw, (left, top) = ImageDraw.Draw(image), corner
    for y in range(height):
        draw.line((left, top + y, left + _FONT_PX, top + y), _blue(1 - y / height))
    draw.rectangle((left, top, left + _FONT_PX, top + height), outline=_BLACK)
    for share in (0.0, 0.5, 1.0):
        label = _text(str(share), _FONT_PX - 4)
        y = top + round((1 - share) * (height - label.height))
        _put(image, label, (left + _FONT_PX + 5, y))
    what = _text("share of the true class", _FONT_PX - 3).rotate(90, expand=True)
    _put(image, what, (image.width - what.width - _MARGIN // 2, top + (height - what.height) // 2))


def _blue(share: float) -> Colour:
    """The colour of a share in [0, 1]."""
    position = share * (len(_BLUES) - 1)
    number = min(int(position), len(_BLUES) - 2)
    low, high = (bytes.fromhex(name) for name in _BLUES[number : number + 2])
    red, green, blue = (round(a + (b - a) * (position - number)) for a, b in zip(low, high, strict=True))
    return red, green, blue


def _shortened(name: str) -> str:
    plain = " ".join(name.split())
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[: _LONGEST_NAME - 1]}…"


def _wrapped(title: str, width: int) -> list[str]:
    letters = max(10, int(width / (0.56 * (_FONT_PX + 2))))  # characters of mean width
    return [part for line in title.splitlines() for part in textwrap.wrap(line, letters)]


def _text(text: str, size_px: int) -> Image.Image:
    """A text as a mask, white on black."""
    font = _font_for(text, size_px)
    left, _, right, _ = font.getbbox(text)
    ascent, descent = font.getmetrics()
    mask = Image.new("L", (max(1, int(right - left) + 2), ascent + descent), 0)
    ImageDraw.Draw(mask).text((1 - left, 0), text, 255, font)
    return mask


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
    font = _font(_FONT_PX)
    return bytes(font.getmask(letter)) != bytes(font.getmask("\U0010ffff"))


def _put(image: Image.Image, mask: Image.Image, place: tuple[int, int], colour: Colour = _BLACK) -> None:
    image.paste(colour, place, mask)


@cache
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings and which has most alphabets; found without importing matplotlib."""
    found = find_spec("matplotlib")
    folder = Path(found.origin).parent if found and found.origin else Path()
    return ImageFont.truetype(folder / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size_px)
