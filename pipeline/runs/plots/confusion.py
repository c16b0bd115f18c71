"""The plot of a confusion matrix, drawn with Pillow: a linear head on a warm store takes less time than the import of matplotlib.

From left to right: names of the true classes, the grid, and a colour bar; above them the title, below them the predicted classes.
"""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from pipeline.files import replacing
from pipeline.runs.plots.texts import BLACK, FONT_PX, Colour, check_letters, draw_text, put, shortened, wrapped

_MARGIN = 14
_MAX_GRID_PX, _SMALLEST_FONT_PX = 1450, 9
_LONGEST_NAME = 18
_MAX_NUMBERED = 20
"""With more classes, the cells show no numbers."""

# The colour map "Blues" of ColorBrewer (colorbrewer2.org), from 0 to 1.
_BLUES = ("f7fbff", "deebf7", "c6dbef", "9ecae1", "6baed6", "4292c6", "2171b5", "08519c", "08306b")


def draw_confusion(path: Path, confusion: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> None:
    """Numbers of images, true classes in rows, shaded by their share of the row; above 20 classes without numbers."""
    check_letters(title, *classes)
    cell = min(_MAX_GRID_PX, 240 + 62 * len(classes)) // len(classes)
    grid = cell * len(classes)
    names = [shortened(name, _LONGEST_NAME) for name in classes]
    small = max(_SMALLEST_FONT_PX, min(FONT_PX - 2, cell - 2))
    rows = [draw_text(name, small) for name in names]
    tilted = max(row.width for row in rows) > cell - _MARGIN // 2
    columns = [row.rotate(45, expand=True, fillcolor=0) if tilted else row for row in rows]
    left = max(row.width for row in rows) + FONT_PX + 3 * _MARGIN
    bottom = max(column.height for column in columns) + FONT_PX + 3 * _MARGIN
    width = left + grid + 7 * FONT_PX
    lines = [draw_text(line, FONT_PX + 2) for line in wrapped(title, width - 2 * _MARGIN, FONT_PX + 2)]
    top = sum(line.height for line in lines) + 2 * _MARGIN
    image = Image.new("RGB", (width, top + grid + bottom), "white")
    y = _MARGIN
    for line in lines:
        put(image, line, ((width - line.width) // 2, y))
        y += line.height
    _fill_grid(image, confusion, (left, top), cell)
    for number, (row, column) in enumerate(zip(rows, columns, strict=True)):
        middle = number * cell + cell // 2
        put(image, row, (left - row.width - _MARGIN // 2, top + middle - row.height // 2))
        shift = column.width - row.height // 2 if tilted else column.width // 2  # a tilted name ends below its column
        put(image, column, (max(0, left + middle - shift), top + grid + _MARGIN // 2))
    predicted, true = draw_text("predicted", FONT_PX), draw_text("true", FONT_PX).rotate(90, expand=True)
    put(image, predicted, (left + (grid - predicted.width) // 2, image.height - predicted.height - _MARGIN // 2))
    put(image, true, (_MARGIN // 2, top + (grid - true.height) // 2))
    _draw_bar(image, (left + grid + FONT_PX, top), grid)
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
                number = draw_text(str(count), min(FONT_PX, cell // 2))
                place = (x + (cell - number.width) // 2, y + (cell - number.height) // 2)
                put(image, number, place, (255, 255, 255) if share > 0.55 else BLACK)
    side = cell * len(confusion)
    draw.rectangle((left, top, left + side, top + side), outline=BLACK)


def _draw_bar(image: Image.Image, corner: tuple[int, int], height: int) -> None:
    """The colours of the shares from 0 to 1."""
    draw, (left, top) = ImageDraw.Draw(image), corner
    for y in range(height):
        draw.line((left, top + y, left + FONT_PX, top + y), _blue(1 - y / height))
    draw.rectangle((left, top, left + FONT_PX, top + height), outline=BLACK)
    for share in (0.0, 0.5, 1.0):
        label = draw_text(str(share), FONT_PX - 4)
        y = top + round((1 - share) * (height - label.height))
        put(image, label, (left + FONT_PX + 5, y))
    what = draw_text("share of the true class", FONT_PX - 3).rotate(90, expand=True)
    put(image, what, (image.width - what.width - _MARGIN // 2, top + (height - what.height) // 2))


def _blue(share: float) -> Colour:
    """The colour of a share in [0, 1]."""
    position = share * (len(_BLUES) - 1)
    number = min(int(position), len(_BLUES) - 2)
    low, high = (bytes.fromhex(name) for name in _BLUES[number : number + 2])
    red, green, blue = (round(a + (b - a) * (position - number)) for a, b in zip(low, high, strict=True))
    return red, green, blue
